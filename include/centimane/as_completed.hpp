// Goes through futures in the order in which they become ready.
//
//   std::vector<cm::future<int>> futures = …;
//   for (auto& done : cm::as_completed(futures)) use(done.get());
//
// Futures of different types, in a tuple of references:
//
//   for (auto done : cm::as_completed(std::tie(text, number)))   // std::variant<future<std::string>*, future<int>*>
//     std::visit([](auto* f) { use(f->get()); }, done);          // done.index() says which
//
// Performance: O(1) a future, one allocation a block of them; asleep in between, whatever pools the futures are from.
// Thread safety: the futures belong to the looping thread meanwhile. They must outlive the loop and not move (a range
// given as an rvalue is kept); leaving the loop early is free of charge.
#pragma once
#include <array>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "centimane/detail/watcher.hpp"
#include "centimane/future.hpp"

namespace centimane {
inline namespace v0 {

/// What as_completed gives: an input range, one pass.
template <class Rng>
class [[nodiscard]] completion_range {
  using future_type = std::remove_reference_t<std::ranges::range_reference_t<Rng>>;

 public:
  explicit completion_range(Rng&& futures) : futures_(std::forward<Rng>(futures)) {
    for (auto& f : futures_) {
      at_.push_back(&f);
      them_.add(detail::future_access::state(f));
    }
  }
  completion_range(const completion_range&) = delete;
  completion_range& operator=(const completion_range&) = delete;

  class iterator {
   public:
    using value_type = std::remove_cv_t<future_type>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    future_type& operator*() const { return *from_->at_[number_]; }
    future_type* operator->() const { return from_->at_[number_]; }
    /// The future's place in the range that was given.
    [[nodiscard]] std::size_t index() const noexcept { return number_; }
    iterator& operator++() {
      number_ = from_->them_.next(INT64_MAX);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.number_ == detail::watcher::none; }

   private:
    friend class completion_range;
    explicit iterator(completion_range* from) : from_(from) { ++*this; }
    completion_range* from_;
    std::size_t number_ = detail::watcher::none;
  };

  /// Waits for the first. To be called once.
  [[nodiscard]] iterator begin() { return iterator(this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  Rng futures_;  ///< a reference, or the range itself
  std::vector<future_type*> at_;
  detail::watcher them_;
};

/// What as_completed gives for a tuple: an input range of pointers, one pass.
template <class... F>
class [[nodiscard]] mixed_completion_range {
 public:
  explicit mixed_completion_range(const std::tuple<F&...>& futures) : futures_(futures) {
    std::apply([this](auto&... f) { (them_.add(detail::future_access::state(f)), ...); }, futures_);
  }
  mixed_completion_range(const mixed_completion_range&) = delete;
  mixed_completion_range& operator=(const mixed_completion_range&) = delete;

  class iterator {
   public:
    /// Its index() is the future's place in the tuple.
    using value_type = std::variant<F*...>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    value_type operator*() const { return from_->at(number_, std::index_sequence_for<F...>()); }
    iterator& operator++() {
      number_ = from_->them_.next(INT64_MAX);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.number_ == detail::watcher::none; }

   private:
    friend class mixed_completion_range;
    explicit iterator(mixed_completion_range* from) : from_(from) { ++*this; }
    mixed_completion_range* from_;
    std::size_t number_ = detail::watcher::none;
  };

  /// Waits for the first. To be called once.
  [[nodiscard]] iterator begin() { return iterator(this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  template <std::size_t... I>
  std::variant<F*...> at(std::size_t number, std::index_sequence<I...>) const {
    using result = std::variant<F*...>;
    const std::array<result, sizeof...(I)> all{result(std::in_place_index<I>, &std::get<I>(futures_))...};
    return all[number];
  }
  std::tuple<F&...> futures_;
  detail::watcher them_;
};

/// The futures of a tuple of references (std::tie), of whatever types and pools, each once, as they become ready.
/// Throws std::logic_error if one of them is not valid().
template <class... T>
requires(detail::kept_future<T>::value&&...)
    mixed_completion_range<std::remove_reference_t<T>...> as_completed(std::tuple<T...> futures) {
  return mixed_completion_range<std::remove_reference_t<T>...>(futures);
}

/// The futures of a range, each once, as they become ready. Throws std::logic_error if one of them is not valid().
template <std::ranges::forward_range Rng>
requires detail::is_future<std::remove_cvref_t<std::ranges::range_reference_t<Rng>>>::value completion_range<Rng>
as_completed(Rng&& futures) {
  return completion_range<Rng>(std::forward<Rng>(futures));
}

}  // namespace v0
}  // namespace centimane
