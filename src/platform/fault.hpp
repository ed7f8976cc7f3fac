// Named fault points: places in the engine where a test lets something go wrong. Compiled in only with
// CENTIMANE_FAULTS; without it both macros are nothing. A point does nothing until it is armed with (nth, action): when
// it is reached for the nth time from then on, the action happens, once.
//
//   CENTIMANE_FAULT("worker.after_commit");                              kill, stop, delay, exit
//   if (int e = CENTIMANE_FAULT_ERRNO("memfd.create")) { errno = e; … }  these, and a failing system call
//
// All state is plain globals: a forked child inherits what is armed, as it stands. From outside, also for programs that
// are only executed: CENTIMANE_FAULT_POINT=name:nth:action[=value], several with commas; action is kill, stop,
// delay=ms, errno=number or exit=code.
//
// Thread safety: points may be reached by any thread; arm before the threads that reach them.
#pragma once

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace centimane::platform::fault {

enum class action : std::uint8_t { none, kill, stop, delay, error, exit };

class point {
 public:
  /// Registers itself; `name` must live for ever. Arms itself if the environment names it.
  explicit point(const char* name) noexcept;
  point(const point&) = delete;
  point& operator=(const point&) = delete;

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  /// `nth` from now, 1 is the next time. `value`: milliseconds, errno or exit code.
  void arm(std::uint64_t nth, action what, int value = 0) noexcept;
  void disarm() noexcept { left_.store(0, std::memory_order_relaxed); }
  /// How often it was reached, here or (after share_counts) in any child forked since.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_->load(std::memory_order_relaxed); }
  /// Passes the point: 0, or the errno that the caller shall fail with.
  int reach() noexcept {
    count_->fetch_add(1, std::memory_order_relaxed);
    return left_.load(std::memory_order_relaxed) == 0 ? 0 : act();
  }

 private:
  friend std::vector<point*> points();
  friend void share_counts();
  int act() noexcept;
  const char* name_;
  point* next_;
  std::atomic<std::uint64_t> own_count_{0}, left_{0};
  std::atomic<std::uint64_t>* count_ = &own_count_;
  std::atomic<action> what_{action::none};
  std::atomic<int> value_{0};
};

/// Every point of the program, reached or not.
std::vector<point*> points();
/// The point of that name, or nullptr.
point* find(std::string_view name);
void disarm_all();
/// Moves the counters into memory that children forked from now on share with us. Call it before they exist, with no
/// thread at a point.
void share_counts();
/// Arms from text in the form of the environment variable; false if it is malformed or names an unknown point.
bool arm(std::string_view text);

/// A string as template argument, so that each name is one object that exists from the start of the program.
template <std::size_t N>
struct literal {
  char text[N]{};
  consteval literal(const char (&from)[N]) { std::copy_n(from, N, text); }
};
template <literal Name>
struct named {
  static constexpr literal<sizeof(Name.text)> stored = Name;
  static inline point here{stored.text};
};

}  // namespace centimane::platform::fault

#define CENTIMANE_FAULT(name) static_cast<void>(::centimane::platform::fault::named<name>::here.reach())
#define CENTIMANE_FAULT_ERRNO(name) (::centimane::platform::fault::named<name>::here.reach())

#else

#define CENTIMANE_FAULT(name) static_cast<void>(0)
#define CENTIMANE_FAULT_ERRNO(name) 0

#endif
