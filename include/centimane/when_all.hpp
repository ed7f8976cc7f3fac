// One future for several: ready when all of them are, or one is.
//
//   auto both = cm::when_all(io.submit(read_file, "a"), cpu.submit(crunch, 7));      // future<tuple<future…, future…>>
//   auto [text, number] = both.get();                                               // ready: their get() does not wait
//
//   cm::when_all(std::move(futures)).then(pool, [](std::vector<cm::future<int>> done) { … });
//
// When to use: to go on without a thread that waits; who may wait uses wait() or as_completed(). Nothing is lost: the
// result holds the futures themselves, each with its own value or error, so that one failure hides neither another one
// nor what the others have. Performance: two allocations for all together; O(1) a future. Thread safety: that of
// futures, of whatever pools they are.
//
// Cancelling the new future takes back all that have not begun, and ends it at once.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "centimane/detail/joint.hpp"
#include "centimane/future.hpp"

namespace centimane {
inline namespace v0 {

/// What when_any gives: all the futures, and which of them was ready first.
template <class Futures>
struct when_any_result {
  std::size_t index;
  Futures futures;
};

namespace detail {

template <class R, class Act>
void each_future(std::vector<future<R>>& futures, const Act& act) {
  for (future<R>& f : futures) act(f);
}
template <class... R, class Act>
void each_future(std::tuple<future<R>...>& futures, const Act& act) {
  std::apply([&](future<R>&... f) { (act(f), ...); }, futures);
}

enum class gather : bool { any, all };
template <class Futures, gather How>
using gathered_t = std::conditional_t<How == gather::all, Futures, when_any_result<Futures>>;

/// Keeps the futures until it is ready.
template <class Futures, gather How>
class gathered_state final : public joint<gathered_t<Futures, How>> {
 public:
  /// Held by its future, and by each edge until its state is ready.
  gathered_state(Futures&& futures, std::size_t n)
      : joint<gathered_t<Futures, How>>(static_cast<std::uint32_t>(1 + n)),
        edges_(std::make_unique<edge[]>(n)),
        n_(n),
        open_(n),
        futures_(std::move(futures)) {}

  void start() noexcept {
    // Once an edge is linked, the futures may be gone.
    std::size_t i = 0;
    each_future(futures_, [&](auto& f) { edges_[i++].lead(*future_access::state(f), *this); });
    if (n_ == 0 && this->begin()) end(0);
    for (edge& e : edges()) {
      const state_ref<future_state> from = e.borrow();
      if (!e.link(*from.get())) arrived(e);
    }
  }

 private:
  [[nodiscard]] std::span<edge> edges() noexcept override { return {edges_.get(), n_}; }
  void drop_task() noexcept override { futures_ = Futures(); }
  void arrived(edge& from) noexcept override {
    from.take();
    if ((How == gather::any || open_.fetch_sub(1) == 1) && this->begin()) {
      end(static_cast<std::size_t>(&from - edges_.get()));
    }
    this->release();
  }
  void end([[maybe_unused]] std::size_t first) noexcept {
    if constexpr (How == gather::all) {
      this->set(std::move(futures_));
    } else {
      this->set(gathered_t<Futures, How>{first, std::move(futures_)});
    }
    this->finish();
  }

  std::unique_ptr<edge[]> edges_;
  const std::size_t n_;
  std::atomic<std::size_t> open_;
  Futures futures_;
};

template <gather How, class Futures>
future<gathered_t<Futures, How>> gather_up(Futures&& futures) {
  std::size_t n = 0;
  each_future(futures, [&](const auto& f) {
    if (!f.valid()) throw_no_state();
    ++n;
  });
  if (How == gather::any && n == 0) {
    throw std::invalid_argument("centimane: when_any needs a future at least: of none, none is ever ready");
  }
  auto* const state = new gathered_state<Futures, How>(std::move(futures), n);
  auto result = future_access::make<gathered_t<Futures, How>>(state);
  state->start();
  return result;
}

template <class T>
struct given_away {
  static constexpr bool value = !std::is_lvalue_reference_v<T> && is_future<std::remove_cvref_t<T>>::value;
  static_assert(value,
                "centimane: when_all and when_any take futures over: give them futures, or a range of futures, by "
                "std::move");
};
template <class Rng>
struct range_given_away {
  static constexpr bool value =
      !std::is_lvalue_reference_v<Rng> && is_future<std::remove_cvref_t<std::ranges::range_reference_t<Rng>>>::value;
  static_assert(value,
                "centimane: when_all and when_any take futures over: give them futures, or a range of futures, by "
                "std::move");
};

template <gather How, class Rng>
auto gather_range(Rng&& futures) {
  if constexpr (range_given_away<Rng>::value) {
    using element = std::remove_cvref_t<std::ranges::range_reference_t<Rng>>;
    if constexpr (std::is_same_v<Rng, std::vector<element>>) {
      return gather_up<How>(std::move(futures));
    } else {
      std::vector<element> mine;
      for (auto&& f : futures) mine.push_back(std::move(f));
      return gather_up<How>(std::move(mine));
    }
  }
}
template <gather How, class... F>
auto gather_several(F&&... futures) {
  if constexpr ((given_away<F>::value && ...)) {
    return gather_up<How>(std::tuple<std::remove_cvref_t<F>...>(std::move(futures)...));
  }
}

}  // namespace detail

/// A future of the futures, `future<std::tuple<future<R>...>>`, ready when all of them are; its get() throws none of
/// their errors. Throws std::logic_error if one of them is not valid().
template <class... F>
requires(sizeof...(F) > 0 && !(std::ranges::range<F> || ...)) [[nodiscard]] auto when_all(F&&... futures) {
  return detail::gather_several<detail::gather::all>(std::forward<F>(futures)...);
}
/// The same for a range: `future<std::vector<future<R>>>`, in its order; ready at once if it is empty. A vector is
/// moved whole, of other ranges each future.
template <std::ranges::input_range Rng>
[[nodiscard]] auto when_all(Rng&& futures) {
  return detail::gather_range<detail::gather::all>(std::forward<Rng>(futures));
}

/// A future of `when_any_result`: all the futures, once one of them is ready. The others go on; to take them back,
/// cancel them there. Throws std::logic_error if one of them is not valid().
template <class... F>
requires(sizeof...(F) > 0 && !(std::ranges::range<F> || ...)) [[nodiscard]] auto when_any(F&&... futures) {
  return detail::gather_several<detail::gather::any>(std::forward<F>(futures)...);
}
/// The same for a range. Throws std::invalid_argument if it is empty.
template <std::ranges::input_range Rng>
[[nodiscard]] auto when_any(Rng&& futures) {
  return detail::gather_range<detail::gather::any>(std::forward<Rng>(futures));
}

}  // namespace v0
}  // namespace centimane
