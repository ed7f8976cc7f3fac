// Waits for several futures at once.
//
//   cm::wait(futures);                                   // all of them
//   cm::wait(futures, cm::when::first);                  // any of them
//   cm::wait(std::tie(text, number));                    // of different types
//
// When to use: to wait without taking results. To take results as they come, use as_completed.
// Performance: O(n) once; asleep in between, whatever pools the futures are from.
// Thread safety: the futures belong to the calling thread meanwhile.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>

#include "centimane/detail/watcher.hpp"
#include "centimane/future.hpp"

namespace centimane {
inline namespace v0 {

/// When to stop waiting: all are ready; one is; one has ended in an error (or all are ready).
enum class when : std::uint8_t { all, first, first_error };

/// Waits; answers how many futures are ready. Throws std::logic_error if one of them is not valid().
template <std::ranges::forward_range Rng>
requires detail::is_future<std::remove_cvref_t<std::ranges::range_reference_t<Rng>>>::value std::size_t wait(
    Rng&& futures, when until = when::all, std::optional<time_span> limit = {}) {
  detail::watcher them;
  for (const auto& f : futures) them.add(detail::future_access::state(f));
  return them.wait(until == when::first, until == when::first_error, limit ? detail::deadline_in(*limit) : INT64_MAX);
}
/// The same for futures of whatever types, in a tuple of references (std::tie).
template <class... T>
requires(detail::kept_future<T>::value&&...) std::size_t
    wait(const std::tuple<T...>& futures, when until = when::all, std::optional<time_span> limit = {}) {
  detail::watcher them;
  std::apply([&](const auto&... f) { (them.add(detail::future_access::state(f)), ...); }, futures);
  return them.wait(until == when::first, until == when::first_error, limit ? detail::deadline_in(*limit) : INT64_MAX);
}

}  // namespace v0
}  // namespace centimane
