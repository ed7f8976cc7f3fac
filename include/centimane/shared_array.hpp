// An array in memory that processes share: what one writes the others see, and nothing is copied on its way.
//
//   struct fill {                                           // as with all that owns memory: a struct, not a lambda
//     cm::shared_array<double> field;
//     void operator()(std::size_t row) const { field[row] = 1; }
//   };
//   cm::shared_array<double> field(1'000'000);              // zeroed
//   cm::parallel_map(fill{field}, rows, {.executor = cm::process});
//   use(field[0]);                                          // what the workers have written
//
//   const cm::shared_array table(numbers);                  // one copy of a vector, for all workers
//
// When to use it: data that many tasks read, or fill in place. What one task takes and gives back needs no
// shared_array: it travels by itself (docs/cpp.md, "Large data").
//
// A copy of a shared_array is another handle of the same memory, as with shared_ptr; so const says nothing of the
// elements, as with span. It travels as item, argument, capture and result. The memory is freed when the last process
// that has a handle lets go of it or ends, however it ends. It has no name, so nothing is left to be cleaned up.
//
// Performance: a handle costs its message 81 bytes, and the first use in a process some 20 µs and a page fault for each
// 4 KiB that is touched; each array takes a descriptor in every process that has it. Access is that of plain memory.
// Thread safety: a handle is one thread's at a time, the elements are the users': where tasks write what others read
// at the same time, use std::atomic_ref or tasks with parts of their own.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/shared_bytes.hpp"

namespace centimane {
inline namespace v0 {

template <class T>
class shared_array;

namespace detail {
/// What may lie in memory that several processes see at different addresses.
template <class T>
inline constexpr bool can_be_shared =
    std::is_trivially_copyable_v<T>&& std::is_trivially_destructible_v<T>&& std::is_same_v<T, std::remove_cv_t<T>> &&
    !std::is_pointer_v<T> && !std::is_member_pointer_v<T>;
template <class R, class T>
concept elements_of = !std::is_same_v<R, shared_array<T>> && std::ranges::contiguous_range<const R> &&
                      std::ranges::sized_range<const R> && std::is_same_v<std::ranges::range_value_t<const R>, T>;
}  // namespace detail

/// T: trivially copyable, without pointers or references: these would lead nowhere in another process.
template <class T>
class shared_array {
  static_assert(detail::can_be_shared<T>,
                "centimane: T cannot be shared between processes: it must be trivially copyable and no pointer");

 public:
  using value_type = T;
  using element_type = T;
  using size_type = std::size_t;
  using iterator = T*;

  /// No memory and no elements.
  shared_array() noexcept = default;
  /// `size` elements whose bytes are zero. Throws resource_limit if there is not that much memory, std::length_error,
  /// std::system_error. Cost: pages come as they are touched.
  explicit shared_array(std::size_t size) : size_(size), bytes_(detail::make_shared_bytes(bytes_of(size))) {}
  /// `size` copies of a value.
  shared_array(std::size_t size, const T& value) : shared_array(size) { std::fill_n(data(), size, value); }
  /// A copy of a contiguous range: one memcpy, by two processors if it is large.
  template <detail::elements_of<T> R>
  explicit shared_array(const R& from) : shared_array(std::ranges::size(from)) {
    detail::copy_to_shared(bytes_.data, std::as_bytes(std::span<const T>(std::ranges::data(from), size_)));
  }

  [[nodiscard]] T* data() const noexcept { return reinterpret_cast<T*>(bytes_.data); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() const noexcept { return data(); }
  [[nodiscard]] T* end() const noexcept { return data() + size_; }
  /// Precondition: at < size().
  [[nodiscard]] T& operator[](std::size_t at) const noexcept { return data()[at]; }
  /// Throws std::out_of_range.
  [[nodiscard]] T& at(std::size_t at) const {
    if (at >= size_) throw std::out_of_range("centimane: shared_array::at: there is no such element");
    return data()[at];
  }
  /// Good as long as this handle or a copy of it lives.
  [[nodiscard]] std::span<T> span() const noexcept { return {data(), size_}; }

  /// The same memory? Two handles that reached this process on different ways may be.
  friend bool operator==(const shared_array& a, const shared_array& b) noexcept {
    return a.bytes_.data == b.bytes_.data && a.size_ == b.size_;
  }

 private:
  friend struct codec<shared_array<T>>;
  shared_array(std::size_t size, detail::shared_bytes bytes) noexcept : size_(size), bytes_(std::move(bytes)) {}
  static std::size_t bytes_of(std::size_t size) {
    if (size > static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T))
      throw std::length_error("centimane: a shared_array of that many elements is larger than any memory");
    return size * sizeof(T);
  }
  std::size_t size_ = 0;
  detail::shared_bytes bytes_;
};

template <std::ranges::contiguous_range R>
shared_array(const R&) -> shared_array<std::ranges::range_value_t<R>>;

/// The handle travels, the elements do not.
template <class T>
struct codec<shared_array<T>> {
  static void write(writer& out, const shared_array<T>& array) {
    out.raw(static_cast<std::uint64_t>(array.size_));
    out.raw(array.bytes_.data != nullptr);
    if (array.bytes_.data != nullptr) detail::write_shared_bytes(out, array.bytes_);
  }
  static shared_array<T> read(reader& in) {
    const auto size = static_cast<std::size_t>(in.raw<std::uint64_t>());
    const bool there = in.raw<std::uint8_t>() != 0;
    if (size > static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T) || (!there && size != 0))
      detail::throw_bad_record("a shared_array has an impossible size");
    if (!there) return {};
    return {size, detail::read_shared_bytes(in, size * sizeof(T))};
  }
};

}  // namespace v0
}  // namespace centimane
