// What an option accepts where it wants a number or a time. A bad value throws std::invalid_argument where it is
// written, before any work starts, so no other header needs to check signs.
//
// Thread safety: values. Cost: none beyond the comparison.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace centimane {
inline namespace v0 {

/// A number of things, from any integer type, so that `.workers = v.size()` neither narrows nor warns.
/// Throws std::invalid_argument if the number is negative.
class count {
 public:
  template <std::integral I>
  requires(!std::same_as<I, bool>) constexpr count(I n) : n_(check(n)) {}
  constexpr operator std::size_t() const noexcept { return n_; }

 private:
  template <class I>
  static constexpr std::size_t check(I n) {
    if constexpr (std::is_signed_v<I>) {
      if (n < 0) throw_negative(static_cast<long long>(n));
    }
    return static_cast<std::size_t>(n);
  }
  [[noreturn]] static void throw_negative(long long n);
  std::size_t n_;
};

/// A length of time, from any chrono duration, `0.5s` included. Infinite, or above 292 years: no limit.
/// Throws std::invalid_argument if it is negative or not a number.
class time_span {
 public:
  template <class Rep, class Period>
  constexpr time_span(std::chrono::duration<Rep, Period> d)
      : ns_(from(std::chrono::duration<long double, std::nano>(d).count())) {}
  /// The span, to the nanosecond; std::chrono::nanoseconds::max() if there is no limit.
  [[nodiscard]] constexpr std::chrono::nanoseconds get() const noexcept { return ns_; }
  /// Is there no limit at all?
  [[nodiscard]] constexpr bool infinite() const noexcept { return ns_ == std::chrono::nanoseconds::max(); }

 private:
  static constexpr std::chrono::nanoseconds from(long double ns) {
    if (!(ns >= 0)) throw_bad(ns);
    return ns < 9.2e18L ? std::chrono::nanoseconds(static_cast<std::int64_t>(ns)) : std::chrono::nanoseconds::max();
  }
  [[noreturn]] static void throw_bad(long double ns);
  std::chrono::nanoseconds ns_;
};

}  // namespace v0
}  // namespace centimane
