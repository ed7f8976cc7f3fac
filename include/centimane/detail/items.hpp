// Where a run's items come from. Lvalue ranges lend them as const T&; owned ranges and generators give them away as
// T&&. The range is iterated by the calling thread only; arrays are looked at by index.
#pragma once
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "centimane/detail/cells.hpp"
#include "centimane/detail/payload.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

template <class Rng>
using iter_t = decltype(std::ranges::begin(std::declval<Rng&>()));
template <class Rng>
using value_t = std::iter_value_t<iter_t<Rng>>;
/// What the callable is given: the same for every executor.
template <class Rng>
using item_t = std::conditional_t<std::is_lvalue_reference_v<Rng>, const value_t<Rng>&, value_t<Rng>&&>;

/// About how many bytes a value holds: its own, and those of its elements.
template <class V>
std::uint64_t weight_of(const V& v) {
  if constexpr (std::ranges::sized_range<const V> && requires { typename V::value_type; }) {
    return sizeof(v) + static_cast<std::uint64_t>(std::ranges::size(v)) * sizeof(typename V::value_type);
  } else {
    return sizeof(v);
  }
}

/// How a range's items are held.
enum class holding : std::uint8_t {
  lent_array,   ///< contiguous, the caller's
  owned_array,  ///< contiguous, given to us
  pointers,     ///< not contiguous, but its elements stay where they are
  values        ///< made one by one
};

template <class Rng>
constexpr holding holding_of() {
  using range = std::remove_reference_t<Rng>;
  constexpr bool array = std::ranges::contiguous_range<range> && std::ranges::sized_range<range> &&
                         std::same_as<std::remove_cvref_t<std::ranges::range_reference_t<range>>, value_t<Rng>>;
  if constexpr (std::is_lvalue_reference_v<Rng>) {
    if constexpr (array)
      return holding::lent_array;
    else if constexpr (std::ranges::forward_range<range> &&
                       std::is_lvalue_reference_v<std::ranges::range_reference_t<range>> &&
                       std::same_as<std::remove_cvref_t<std::ranges::range_reference_t<range>>, value_t<Rng>>)
      return holding::pointers;
    else
      return holding::values;
  } else {
    // A view given as an rvalue (a span) does not own what it shows: its items are copied, never moved from.
    if constexpr (array && !std::ranges::view<range>)
      return holding::owned_array;
    else
      return holding::values;
  }
}

/// Calls use(item) with the item in the category that Rng asks for; `keep`: the item must survive, so a copy is given
/// away.
template <class Rng, class T, class Use>
decltype(auto) give(T& item, bool keep, Use&& use) {
  if constexpr (std::is_lvalue_reference_v<Rng>) {
    return use(std::as_const(item));
  } else {
    if constexpr (std::copy_constructible<T>) {
      if (keep) {
        T copy(std::as_const(item));
        return use(std::move(copy));
      }
    }
    return use(std::move(item));
  }
}

template <class Rng, holding How = holding_of<Rng>()>
class item_source;

/// Arrays: nothing is pulled.
template <class Rng, holding How>
requires(How == holding::lent_array || How == holding::owned_array) class item_source<Rng, How> {
 public:
  using value_type = value_t<Rng>;
  static constexpr bool by_index = true;

  explicit item_source(Rng&& range) : range_(std::forward<Rng>(range)), data_(std::ranges::data(range_)) {}
  [[nodiscard]] std::optional<std::uint64_t> length() const {
    return static_cast<std::uint64_t>(std::ranges::size(range_));
  }
  engine::pulled pull(std::uint64_t) { return {0, 0, true, false}; }
  [[nodiscard]] const value_type& look(std::uint64_t i) const noexcept { return data_[i]; }
  /// Item i and those behind it, each to be used up once.
  [[nodiscard]] auto from(std::uint64_t i) const noexcept { return data_ + i; }
  template <class Use>
  decltype(auto) with(std::uint64_t i, bool keep, Use&& use) {
    return give<Rng>(data_[i], keep, use);
  }
  void release(std::uint64_t) noexcept {}

 private:
  Rng range_;  ///< a reference, or the container itself
  decltype(std::ranges::data(std::declval<Rng&>())) data_;
};

/// Everything else: read by the driver's thread when the run has room, held until the item has settled.
template <class Rng, holding How>
requires(How == holding::pointers || How == holding::values) class item_source<Rng, How> {
 public:
  using value_type = value_t<Rng>;
  static constexpr bool by_index = false;

  explicit item_source(Rng&& range) : range_(std::forward<Rng>(range)) {}
  ~item_source() {
    if constexpr (!std::is_trivially_destructible_v<held>) {
      for (std::uint64_t i = 0; i < arrived_; ++i) {
        if (!gone(i)) std::destroy_at(&held_.at(i)->item);
      }
    }
  }
  item_source(const item_source&) = delete;
  item_source& operator=(const item_source&) = delete;

  [[nodiscard]] std::optional<std::uint64_t> length() {
    if constexpr (std::ranges::sized_range<Rng>)
      return static_cast<std::uint64_t>(std::ranges::size(range_));
    else
      return std::nullopt;
  }

  /// Throws what the range throws; `got` counts what had come by then.
  void pull(std::uint64_t at_most, engine::pulled& got) {
    if (!at_) at_.emplace(std::ranges::begin(range_));
    for (; got.count < at_most; ++got.count) {
      if (moved_) {  // only now: reading ahead could block on an item that nobody has asked for
        moved_ = false;
        ++*at_;
      }
      if (*at_ == std::ranges::end(range_)) {
        got.ended = true;
        return;
      }
      held_.reach(arrived_ + 1);
      cell* c = held_.at(arrived_);
      if constexpr (How == holding::pointers) {
        std::construct_at(&c->item, std::addressof(**at_));
      } else {
        std::construct_at(&c->item, **at_);
      }
      c->gone = false;
      ++arrived_;
      moved_ = true;
      got.bytes += weight_of(look(arrived_ - 1));
    }
  }

  [[nodiscard]] const value_type& look(std::uint64_t i) noexcept {
    if constexpr (How == holding::pointers)
      return *held_.at(i)->item;
    else
      return held_.at(i)->item;
  }
  template <class Use>
  decltype(auto) with(std::uint64_t i, bool keep, Use&& use) {
    if constexpr (How == holding::pointers)
      return give<Rng>(*held_.at(i)->item, keep, use);
    else
      return give<Rng>(held_.at(i)->item, keep, use);
  }
  /// The item has settled: lets it go. Each once.
  void release(std::uint64_t i) noexcept {
    cell* c = held_.at(i);
    std::destroy_at(&c->item);
    c->gone = true;
    held_.release(i);
  }

 private:
  using held = std::conditional_t<How == holding::pointers, const value_type*, value_type>;
  struct cell {
    union {
      held item;
    };
    bool gone;
    cell() = delete;
    ~cell() = delete;
  };
  [[nodiscard]] bool gone(std::uint64_t i) noexcept { return !held_.exists(i) || held_.at(i)->gone; }

  Rng range_;
  std::optional<iter_t<Rng>> at_;
  bool moved_ = false;
  std::uint64_t arrived_ = 0;
  paged<cell> held_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
