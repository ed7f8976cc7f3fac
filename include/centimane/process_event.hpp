// A flag that processes wait for.
//
//   cm::process_event ready;
//   pool.submit([](const cm::process_event& e) { load(); e.set(); }, ready);
//   ready.wait();
//
// When to use: to let many go at once. Setting it lets everybody go who waits at that moment, even if it is cleared at
// once. Copies are handles of one event, and travel to worker processes like any value.
//
// Performance: one compare-exchange to set or clear, one load to look. Thread safety: all of it.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/deadline.hpp"

namespace centimane {

namespace share {
class event;
}

inline namespace v0 {

class process_event {
 public:
  /// Throws resource_limit, std::system_error.
  process_event();

  [[nodiscard]] bool is_set() const noexcept;
  void set() const noexcept;
  void clear() const noexcept;
  void wait() const { (void)sleep(INT64_MAX); }
  /// False: it was not set in that time.
  [[nodiscard]] bool wait_for(time_span limit) const { return sleep(detail::deadline_in(limit)); }
  /// The clock may be any.
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return sleep(detail::deadline_at(when));
  }

 private:
  friend struct codec<process_event>;
  explicit process_event(std::shared_ptr<share::event> it) noexcept : it_(std::move(it)) {}
  bool sleep(std::int64_t until) const;
  std::shared_ptr<share::event> it_;
};

template <>
struct codec<process_event> {
  static void write(writer& out, const process_event& e);
  static process_event read(reader& in);
};

}  // namespace v0
}  // namespace centimane
