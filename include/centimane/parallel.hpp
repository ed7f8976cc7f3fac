// One function, many items.
//
//   auto squares = cm::parallel_map([](int n) { return n * n; }, numbers);
//   auto words   = cm::parallel_map(count_words, files, {.executor = cm::process, .on_progress = cm::progress_bar()});
//
// The callable is called as const by several workers at once, so `mutable` lambdas do not compile; an overload set is
// wrapped in a lambda. Items of lvalue ranges come as const T&, those of owned ranges and generators as T&&; the range
// is iterated by the calling thread only, and only as far as the window allows. References that the callable returns
// are copied.
//
// Errors: what an item's task throws is that item's failure; the run goes on. std::invalid_argument for bad options,
// payload_error for what cannot travel to a process, start_failed for workers that cannot start, at the call. What the
// range throws is thrown on once the items before it have ended; what a callback throws, once the run has stopped.
//
// Thread safety: any thread may start runs; nested runs are fine. Cost: on threads a nanosecond or less an item where
// the function is cheap; on processes a tenth of a microsecond and the codec. Values are constructed where they stay.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

#include "centimane/detail/carrier.hpp"
#include "centimane/detail/map_payload.hpp"
#include "centimane/options.hpp"
#include "centimane/result.hpp"
#include "centimane/stream.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
template <class F, class Rng>
using result_t = std::remove_cvref_t<std::invoke_result_t<const std::decay_t<F>&, item_t<Rng>>>;
template <class F, class Tuple>
struct apply_result;
template <class F, template <class...> class T, class... A>
struct apply_result<F, T<A...>> : std::invoke_result<const std::decay_t<F>&, const A&...> {};
template <class F, class Rng>
using star_t = std::remove_cvref_t<typename apply_result<F, value_t<Rng>>::type>;

template <class F, class Rng, class R>
parallel_result<R> run_map(F&& f, Rng&& items, const map_options<R>& how) {
  using function = std::decay_t<F>;
  constexpr bool dense = std::ranges::sized_range<Rng>;
  using sink = std::conditional_t<dense, dense_sink<R>, paged_sink<R>>;
  run_request request = request_of(how);
  measure<Rng>(request, items);
  map_payload<function, Rng, R, sink> work(std::forward<F>(f), std::forward<Rng>(items), request, how.on_result);
  carrier run(work, request);
  policy::status end = run.finish();
  work.rethrow_callback_error();
  work.rethrow_source_error();
  parallel_result<R> result = work.result(run.known(), run.not_started(), end);
  result.describe(run.insights());
  return result;
}
}  // namespace detail

/// A callable that several workers may call at once, for the items of that range.
template <class F, class Rng>
concept mappable = std::ranges::input_range<Rng> && std::invocable < const std::decay_t<F>
&, detail::item_t < Rng >> ;

/// Calls f(item) for every item; results in the order of the input.
template <class F, class Rng>
requires mappable<F, Rng>
[[nodiscard]] parallel_result<detail::result_t<F, Rng>> parallel_map(
    F&& f, Rng&& items, const map_options<detail::result_t<F, Rng>>& how = {}) {
  return detail::run_map<F, Rng, detail::result_t<F, Rng>>(std::forward<F>(f), std::forward<Rng>(items), how);
}

/// Calls f(a, b, …) for every pair or tuple of the range; its parts come as const references.
template <class F, std::ranges::input_range Rng>
[[nodiscard]] parallel_result<detail::star_t<F, Rng>> parallel_starmap(
    F&& f, Rng&& tuples, const map_options<detail::star_t<F, Rng>>& how = {}) {
  return detail::run_map<detail::applied<std::decay_t<F>>, Rng, detail::star_t<F, Rng>>(
      detail::applied<std::decay_t<F>>{std::forward<F>(f)}, std::forward<Rng>(tuples), how);
}

/// Calls f(item) for every item; outcomes come as they are consumed: in the order of the input, or as they end with
/// `.ordered = false`. Nothing starts before begin(). An lvalue range must outlive the stream.
template <class F, class Rng>
requires mappable<F, Rng>
[[nodiscard]] stream<detail::result_t<F, Rng>> parallel_iter(F&& f, Rng&& items,
                                                             const map_options<detail::result_t<F, Rng>>& how = {}) {
  using R = detail::result_t<F, Rng>;
  detail::run_request request = detail::request_of(how);
  request.stream = true;
  detail::measure<Rng>(request, items);
  return stream<R>(std::make_unique<detail::stream_run<std::decay_t<F>, Rng, R>>(
      std::forward<F>(f), std::forward<Rng>(items), std::move(request), how.on_result));
}

}  // namespace v0
}  // namespace centimane
