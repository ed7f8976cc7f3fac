// Watches many future states for one thread: registers once at each, then hands out those that are ready, in order of
// finishing, without ever looking at the others. The core of as_completed and wait.
//
// Thread safety: one thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "centimane/detail/future_state.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class watcher {
 public:
  watcher();
  ~watcher();
  watcher(watcher&&) noexcept;
  watcher& operator=(watcher&&) noexcept;

  /// Watches one more; its number is that of the calls before. Throws std::logic_error if null.
  void add(future_state* state);
  /// Waits for the next that is ready and answers its number; `none` when all were handed out or `until` has passed.
  static constexpr std::size_t none = SIZE_MAX;
  [[nodiscard]] std::size_t next(std::int64_t until);
  /// Waits until all are ready, or one is (first), or one has failed (first_error); answers how many are ready.
  std::size_t wait(bool first, bool first_error, std::int64_t until);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
