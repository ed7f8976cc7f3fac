// Mutexes between processes that outlive their owner.
//
//   cm::process_mutex m;
//   pool.submit([](const cm::process_mutex& m, int n) { std::lock_guard held(m); append_to_log(n); }, m, 7);
//
// When to use: to protect what several processes change: a file, a shared_array, a service. Within one process
// std::mutex is lighter.
//
// If a process ends, however it ends, while it holds one, the mutex is free again, and exactly one that wants it is
// told: lock() and its kin throw owner_died in place of taking it. What the mutex protects may be half changed; whoever
// is told repairs it, having locked again. Copies are handles of one mutex, and travel to worker processes like any
// value, as arguments and as members of a callable (a lambda cannot capture one: a struct can); the memory goes with
// the last of them, in whatever process.
//
// Performance: 10 to 20 ns to lock, as much to unlock, while nobody waits. Thread safety: all of it.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/deadline.hpp"
#include "centimane/numbers.hpp"

namespace centimane {

namespace share {
class lock;
}

inline namespace v0 {
class process_condition;
namespace detail {

/// What both mutexes do.
class process_lock {
 public:
  /// Throws owner_died.
  void lock() const;
  /// Throws owner_died.
  [[nodiscard]] bool try_lock() const;
  /// Throws owner_died.
  [[nodiscard]] bool try_lock_for(time_span limit) const { return take(deadline_in(limit)); }
  /// Throws owner_died. The clock may be any.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return take(deadline_at(when));
  }
  /// Throws std::system_error (operation_not_permitted) if it is not locked or, if recursive, not by this thread.
  void unlock() const;

 protected:
  explicit process_lock(bool recursive);
  explicit process_lock(std::shared_ptr<share::lock> lock) noexcept : lock_(std::move(lock)) {}
  ~process_lock() = default;
  process_lock(const process_lock&) = default;
  process_lock& operator=(const process_lock&) = default;

 private:
  friend struct lock_travel;
  friend class v0::process_condition;
  bool take(std::int64_t until) const;
  std::shared_ptr<share::lock> lock_;
};

struct lock_travel {
  static void write(writer& out, const process_lock& lock);
  static std::shared_ptr<share::lock> read(reader& in, bool recursive);
};

}  // namespace detail

/// Meets TimedLockable: std::lock_guard, unique_lock and scoped_lock work. Any thread of any process may unlock it.
class process_mutex : public detail::process_lock {
 public:
  /// Throws resource_limit, std::system_error.
  process_mutex() : process_lock(false) {}

 private:
  friend struct codec<process_mutex>;
  explicit process_mutex(std::shared_ptr<share::lock> lock) noexcept : process_lock(std::move(lock)) {}
};

/// Its thread may lock it again; only that thread may unlock it, as often as it locked it.
class process_recursive_mutex : public detail::process_lock {
 public:
  /// Throws resource_limit, std::system_error.
  process_recursive_mutex() : process_lock(true) {}

 private:
  friend struct codec<process_recursive_mutex>;
  explicit process_recursive_mutex(std::shared_ptr<share::lock> lock) noexcept : process_lock(std::move(lock)) {}
};

template <>
struct codec<process_mutex> {
  static void write(writer& out, const process_mutex& m) { detail::lock_travel::write(out, m); }
  static process_mutex read(reader& in) { return process_mutex(detail::lock_travel::read(in, false)); }
};
template <>
struct codec<process_recursive_mutex> {
  static void write(writer& out, const process_recursive_mutex& m) { detail::lock_travel::write(out, m); }
  static process_recursive_mutex read(reader& in) {
    return process_recursive_mutex(detail::lock_travel::read(in, true));
  }
};

}  // namespace v0
}  // namespace centimane
