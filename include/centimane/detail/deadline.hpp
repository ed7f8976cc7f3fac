// Times of the public face as moments of the engine's clock. A leaf.
#pragma once
#include <chrono>
#include <cstdint>

#include "centimane/numbers.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// That span from now, on the monotonic clock in nanoseconds; INT64_MAX: for ever.
std::int64_t deadline_in(time_span span) noexcept;

/// A moment of any clock on ours. What has passed is 0.
template <class Clock, class Duration>
[[nodiscard]] std::int64_t deadline_at(const std::chrono::time_point<Clock, Duration>& when) {
  const auto now = Clock::now();
  return when > now ? deadline_in(when - now) : 0;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
