// What a codec writes to and reads from. A writer is a growable run of bytes; a reader is a view of bytes that refuses
// to look beyond its end. Both are cheap enough for a scalar an item.
//
// Thread safety: none; each belongs to one thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace centimane {
inline namespace v0 {

/// Grows as it is written to; keeps its memory when cleared.
class writer {
 public:
  /// Appends n bytes. Cost: one memcpy; amortised O(n).
  void bytes(const void* from, std::size_t n) {
    if (n != 0) std::memcpy(extend(n), from, n);
  }
  /// Appends the object representation of a trivially copyable value.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void raw(const T& value) { std::memcpy(extend(sizeof(T)), &value, sizeof(T)); }
  /// Room for n more bytes, to be filled by the caller before the next call; valid until then.
  std::byte* extend(std::size_t n) {
    if (capacity_ - size_ < n) grow(n);
    std::byte* at = memory_.get() + size_;
    size_ += n;
    return at;
  }
  /// Forgets what lies behind the first n bytes (n <= size()).
  void truncate(std::size_t n) noexcept { size_ = n; }
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] std::byte* data() noexcept { return memory_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return memory_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {memory_.get(), size_}; }

 private:
  void grow(std::size_t n) {
    std::size_t wanted = capacity_ * 2 > size_ + n ? capacity_ * 2 : size_ + n;
    if (wanted < 256) wanted = 256;
    auto bigger = std::make_unique_for_overwrite<std::byte[]>(wanted);
    if (size_ != 0) std::memcpy(bigger.get(), memory_.get(), size_);
    memory_ = std::move(bigger);
    capacity_ = wanted;
  }
  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0, capacity_ = 0;
};

/// A view of encoded bytes. Reading beyond the end throws payload_error, so a damaged record cannot lead astray.
class reader {
 public:
  reader() noexcept = default;
  explicit reader(std::span<const std::byte> from) noexcept : at_(from.data()), end_(from.data() + from.size()) {}
  /// The next n bytes, in place. Throws payload_error if fewer are left.
  const std::byte* bytes(std::size_t n) {
    if (n > remaining()) throw_short(n, remaining());
    const std::byte* at = at_;
    at_ += n;
    return at;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> T raw() {
    T value;
    std::memcpy(&value, bytes(sizeof(T)), sizeof(T));
    return value;
  }
  [[nodiscard]] std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return {at_, remaining()}; }

 private:
  [[noreturn]] static void throw_short(std::size_t wanted, std::size_t left);
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
};

}  // namespace v0
}  // namespace centimane
