// Waiting for news under a process_mutex.
//
//   std::unique_lock held(m);
//   changed.wait(held, [&] { return queue_is_not_empty(); });
//
// When to use: as std::condition_variable, between processes.
//
// A notification belongs to one waiter. If that waiter's process ends before it has the mutex again, its notification
// goes to the next who waited at that time: it is not swallowed, and the notifier waits for nobody. If a process ended
// while it held the mutex, one of those who come back from a wait is told by owner_died, with the mutex locked. Copies
// are handles of one condition, and travel to worker processes like any value.
//
// Performance: notifying nobody costs some tens of nanoseconds. Thread safety: all of it; 128 may wait at a time.
#pragma once
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/deadline.hpp"
#include "centimane/process_mutex.hpp"

namespace centimane {

namespace share {
class condition;
}

inline namespace v0 {
namespace detail {
template <class Mutex>
concept process_lockable = std::derived_from<std::remove_const_t<Mutex>, process_lock>;
}  // namespace detail

class process_condition {
 public:
  /// Throws resource_limit, std::system_error.
  process_condition();

  /// Gives the mutex back, waits, and locks it again. May return without news, as every condition variable may.
  /// Throws std::logic_error if it is not locked by this thread, resource_limit if 128 wait already, owner_died.
  template <detail::process_lockable Mutex>
  void wait(std::unique_lock<Mutex>& held) const {
    (void)sleep(held.mutex(), held.owns_lock(), INT64_MAX);
  }
  /// Until `pred` is true.
  template <detail::process_lockable Mutex, std::predicate Predicate>
  void wait(std::unique_lock<Mutex>& held, Predicate pred) const {
    while (!pred()) wait(held);
  }
  template <detail::process_lockable Mutex>
  std::cv_status wait_for(std::unique_lock<Mutex>& held, time_span limit) const {
    return status(sleep(held.mutex(), held.owns_lock(), detail::deadline_in(limit)));
  }
  /// What `pred` says at last.
  template <detail::process_lockable Mutex, std::predicate Predicate>
  bool wait_for(std::unique_lock<Mutex>& held, time_span limit, Predicate pred) const {
    const std::int64_t until = detail::deadline_in(limit);
    while (!pred()) {
      if (!sleep(held.mutex(), held.owns_lock(), until)) return pred();
    }
    return true;
  }
  /// The clock may be any.
  template <detail::process_lockable Mutex, class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<Mutex>& held, const std::chrono::time_point<Clock, Duration>& when) const {
    return status(sleep(held.mutex(), held.owns_lock(), detail::deadline_at(when)));
  }

  /// Wakes the one that has waited longest; the mutex need not be locked.
  void notify_one() const noexcept;
  void notify_all() const noexcept;

 private:
  friend struct codec<process_condition>;
  explicit process_condition(std::shared_ptr<share::condition> it) noexcept : it_(std::move(it)) {}
  static std::cv_status status(bool notified) noexcept {
    return notified ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  bool sleep(const detail::process_lock* mutex, bool owned, std::int64_t until) const;
  std::shared_ptr<share::condition> it_;
};

template <>
struct codec<process_condition> {
  static void write(writer& out, const process_condition& c);
  static process_condition read(reader& in);
};

}  // namespace v0
}  // namespace centimane
