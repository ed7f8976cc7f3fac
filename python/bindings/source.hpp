// Where a run's items come from. A tuple or a range is looked up by index and never held twice; anything else is an
// iterator that is pulled as the window allows. Needs the GIL.
#pragma once
#include <cstdint>
#include <optional>

#include "centimane/detail/payload.hpp"
#include "shelf.hpp"

namespace centimane::python {

class source {
 public:
  /// `items`: a tuple, a range, an iterator, or None for items that are added as they come. staged: what is looked up
  /// by index is pulled all the same, so that each item is seen before it may start. False: the error indicator is set.
  bool open(PyObject* items, bool staged);
  /// The number of items if they are all there from the start.
  [[nodiscard]] std::optional<std::uint64_t> total() const noexcept { return staged_ ? std::nullopt : total_; }
  /// The number of items if they are looked up by index.
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return total_; }
  /// The item, or nothing with the error indicator set. `pulled`: where an iterator's items were put.
  [[nodiscard]] ref item(std::uint64_t i, const shelf& pulled) const;
  /// The item's value if it is a plain number of a range: no object need be made of it.
  [[nodiscard]] std::optional<long long> number(std::uint64_t i) const noexcept {
    if (kind_ != kind::range) return std::nullopt;
    return start_ + static_cast<long long>(i) * step_;
  }
  /// Takes up to at_most further items from the iterator. failed: the error indicator is set.
  engine::pulled pull(std::uint64_t at_most, shelf& into);
  /// Are items added, instead of being pulled?
  [[nodiscard]] bool later() const noexcept { return kind_ == kind::later; }
  /// Further items, of a list.
  void add(PyObject* list, shelf& into);
  /// What came from item i on counts as not come.
  void retract(std::uint64_t i) noexcept { known_ = i; }
  /// How many have come so far.
  [[nodiscard]] std::uint64_t known() const noexcept { return known_; }
  /// Lets go of the input: nothing will be asked any more.
  void close() noexcept { input_ = ref(); }

 private:
  enum class kind : std::uint8_t { tuple, range, iterator, later };
  kind kind_ = kind::tuple;
  ref input_;
  std::optional<std::uint64_t> total_;
  std::uint64_t known_ = 0;
  bool staged_ = false;
  long long start_ = 0, step_ = 0;  ///< of a range
};

}  // namespace centimane::python
