// The processor's own counter, for durations that are taken around every item. A call to the system's clock would cost
// more than a small task does; the counter is compared with that clock only when a duration is asked for.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace centimane::python {

inline std::int64_t monotonic_now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Counts up at a constant rate. Only differences mean something.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t now;
  asm volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return static_cast<std::uint64_t>(monotonic_now());
#endif
}

/// Seconds a tick once it is known well enough to be kept, else 0.
extern std::atomic<double> settled_rate;
double measured_rate() noexcept;

/// Seconds a tick. Measured against the monotonic clock since this process, or the one it was forked from, loaded us.
inline double seconds_per_tick() noexcept {
  const double rate = settled_rate.load(std::memory_order_relaxed);
  return rate != 0 ? rate : measured_rate();
}

/// The time from one look at the counter to another; 0 if the counter stepped back (another processor, a virtual
/// machine moved).
inline float seconds_between(std::uint64_t from, std::uint64_t to) noexcept {
  return to > from ? static_cast<float>(static_cast<double>(to - from) * seconds_per_tick()) : 0.0F;
}

}  // namespace centimane::python
