// Goes through futures in the order in which they become ready.
//
//   std::vector<cm::future<int>> futures = …;
//   for (auto& done : cm::as_completed(futures)) use(done.get());
//
// Performance: O(1) a future, one allocation a block of them; asleep in between, whatever pools the futures are from.
// Thread safety: the futures belong to the looping thread meanwhile. They must outlive the loop and not move (a range
// given as an rvalue is kept); leaving the loop early is free of charge.
#pragma once
#include <cstddef>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
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

/// The futures of a range, each once, as they become ready. Throws std::logic_error if one of them is not valid().
template <std::ranges::forward_range Rng>
requires detail::is_future<std::remove_cvref_t<std::ranges::range_reference_t<Rng>>>::value completion_range<Rng>
as_completed(Rng&& futures) {
  return completion_range<Rng>(std::forward<Rng>(futures));
}

}  // namespace v0
}  // namespace centimane
