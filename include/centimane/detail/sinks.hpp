// Where a run's values are constructed: in one dense array if the input's length is known, else in pages; for a stream
// in pages that are let go as the consumer moves on. Any hand constructs; the driver's thread looks and releases.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "centimane/detail/cells.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// What a function without a result leaves.
struct nothing {};
template <class R>
using kept = std::conditional_t<std::is_void_v<R>, nothing, R>;

/// Constructs make()'s value at a place, without a copy if it is a prvalue.
template <class R, class Make>
void construct(void* place, Make&& make) {
  if constexpr (std::is_void_v<R>) {
    make();
    ::new (place) nothing;
  } else {
    ::new (place) R(make());
  }
}

/// Knows which cells hold a value only if they must be destroyed: then a byte each.
template <class R>
class dense_sink {
  static constexpr bool trivial = std::is_trivially_destructible_v<kept<R>>;

 public:
  static constexpr bool notes = false;
  /// Values may be constructed at value(i), value(i) + 1, … without a word to the sink.
  static constexpr bool flat = trivial;
  explicit dense_sink(std::uint64_t n)
      : capacity_(n),
        values_(std::is_void_v<R> ? 0 : static_cast<std::size_t>(n)),
        made_(trivial ? 0 : static_cast<std::size_t>(n)) {}
  ~dense_sink() {
    for (std::size_t i = 0; i < made_.size(); ++i) {
      if (made_[i] != 0) std::destroy_at(values_.data() + i);
    }
  }
  dense_sink(const dense_sink&) = delete;
  dense_sink& operator=(const dense_sink&) = delete;
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  void reach(std::uint64_t) noexcept {}
  template <class Make>
  void emplace(std::uint64_t i, Make&& make) {
    if constexpr (std::is_void_v<R>) {
      make();
    } else {
      construct<R>(values_.data() + i, std::forward<Make>(make));
      if constexpr (!trivial) made_[static_cast<std::size_t>(i)] = 1;
    }
  }
  /// The value at i does not count. Another may take its place.
  void drop(std::uint64_t i) noexcept {
    if constexpr (!trivial) {
      std::destroy_at(values_.data() + i);
      made_[static_cast<std::size_t>(i)] = 0;
    }
  }
  [[nodiscard]] kept<R>* value(std::uint64_t i) noexcept { return values_.data() + i; }
  /// All values, those of failed items missing. The sink is empty afterwards.
  [[nodiscard]] cells<kept<R>> take(std::uint64_t) noexcept {
    made_.clear();
    return std::move(values_);
  }

 private:
  std::uint64_t capacity_;
  cells<kept<R>> values_;
  std::vector<std::uint8_t> made_;
};

template <class R>
class paged_sink {
 public:
  /// Keeps who made a value, and how, beside it: a stream's consumer asks.
  static constexpr bool notes = true;
  static constexpr bool flat = false;
  paged_sink() = default;
  explicit paged_sink(std::uint64_t) noexcept {}
  ~paged_sink() {
    for (std::uint64_t i = 0; i < reached_; ++i) {
      if (values_.exists(i) && values_.at(i)->made) std::destroy_at(&values_.at(i)->value);
    }
  }
  paged_sink(const paged_sink&) = delete;
  paged_sink& operator=(const paged_sink&) = delete;
  [[nodiscard]] std::uint64_t capacity() const noexcept { return std::numeric_limits<std::uint64_t>::max(); }
  void reach(std::uint64_t end) {
    values_.reach(end);
    for (; reached_ < end; ++reached_) values_.at(reached_)->made = false;
  }
  template <class Make>
  void emplace(std::uint64_t i, Make&& make) {
    cell* c = values_.at(i);
    construct<R>(&c->value, std::forward<Make>(make));
    c->made = true;
  }
  void drop(std::uint64_t i) noexcept {
    cell* c = values_.at(i);
    std::destroy_at(&c->value);
    c->made = false;
  }
  [[nodiscard]] kept<R>* value(std::uint64_t i) noexcept { return &values_.at(i)->value; }
  void note(std::uint64_t i, unsigned attempts, int worker, std::uint64_t bytes) noexcept {
    cell* c = values_.at(i);
    c->attempts = attempts;
    c->worker = worker;
    c->bytes = bytes;
  }
  [[nodiscard]] bool made(std::uint64_t i) noexcept { return values_.at(i)->made; }
  [[nodiscard]] unsigned attempts(std::uint64_t i) noexcept { return values_.at(i)->attempts; }
  [[nodiscard]] int worker(std::uint64_t i) noexcept { return values_.at(i)->worker; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t i) noexcept { return values_.at(i)->bytes; }
  void release(std::uint64_t i) noexcept {
    cell* c = values_.at(i);
    if (c->made) std::destroy_at(&c->value);
    c->made = false;
    values_.release(i);
  }
  /// The first n values, moved together.
  [[nodiscard]] cells<kept<R>> take(std::uint64_t n) {
    cells<kept<R>> dense(std::is_void_v<R> ? 0 : static_cast<std::size_t>(n));
    for (std::uint64_t i = 0; i < n; ++i) {
      if constexpr (!std::is_void_v<R>) {
        if (made(i)) std::construct_at(dense.data() + i, std::move(*value(i)));
      }
      release(i);
    }
    return dense;
  }

 private:
  struct cell {
    union {
      kept<R> value;
    };
    std::uint64_t bytes;
    unsigned attempts;
    int worker;
    bool made;
    cell() = delete;
    ~cell() = delete;
  };
  paged<cell> values_;
  std::uint64_t reached_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
