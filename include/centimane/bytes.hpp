// What a codec writes to and reads from. A writer is a growable run of bytes; a reader is a view of bytes that refuses
// to look beyond its end. Both are cheap enough for a scalar an item.
//
// What is large travels beside the record: a writer that has an annex puts bulk there, in one copy, and notes only its
// number; a reader looks into it where it lies. So a large array costs its record no more than a number does.
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

/// Large bytes beside a record, at an address that is a multiple of 64. They may be written to: nobody else sees it.
/// They stay as long as a copy of `hold` lives, whatever becomes of the record.
struct annexed {
  std::byte* data = nullptr;
  std::size_t size = 0;
  std::shared_ptr<const void> hold;
};

/// Where a writer puts what is large.
class annex {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;
  /// Each part of one put begins at a multiple of that.
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t aligned(std::size_t n) noexcept { return (n + alignment - 1) / alignment * alignment; }
  using part = std::span<const std::byte>;
  /// Copies the parts, one behind the other, and answers the number under which the record's reader finds them; `none`:
  /// it takes nothing more, they belong into the record. Throws resource_limit, std::bad_alloc, std::system_error.
  virtual std::uint32_t put(std::span<const part> parts) = 0;
  /// What was put is not needed: its record is written anew, and numbers begin again.
  virtual void drop() noexcept = 0;

 protected:
  ~annex() = default;
};

/// Fewer bytes than that are never put beside a record.
inline constexpr std::size_t bulk_from = 64 * 1024;

/// Grows as it is written to; keeps its memory when cleared.
class writer {
 public:
  /// Bulk goes there from now on. It must outlive the writing.
  void attach(annex* to) noexcept { annex_ = to; }
  /// Null if bulk stays in line.
  [[nodiscard]] annex* beside() const noexcept { return annex_; }
  /// Appends n bytes that may be many: from bulk_from on beside the record if there is an annex. Read with
  /// reader::bulk(n).
  void bulk(const void* from, std::size_t n) {
    if (n < bulk_from) return bytes(from, n);
    write_bulk(static_cast<const std::byte*>(from), n);
  }
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
  /// Forgets a record that was begun at n, with all that it has put beside itself.
  void rewrite(std::size_t n) noexcept {
    truncate(n);
    if (annex_ != nullptr) annex_->drop();
  }
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
  void write_bulk(const std::byte* from, std::size_t n);
  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0, capacity_ = 0;
  annex* annex_ = nullptr;
};

/// A view of encoded bytes. Reading beyond the end throws payload_error, so a damaged record cannot lead astray.
class reader {
 public:
  reader() noexcept = default;
  explicit reader(std::span<const std::byte> from, std::span<const annexed> beside = {}) noexcept
      : at_(from.data()), end_(from.data() + from.size()), beside_(beside) {}
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
  /// What writer::bulk(…, n) has written. `own`: it lies beside the record and may be written to.
  struct run {
    const std::byte* data;
    bool own;
  };
  run bulk(std::size_t n) {
    if (n < bulk_from) return {bytes(n), false};
    return read_bulk(n);
  }
  /// What the annex answered `number` for. Throws payload_error if there is no such thing.
  [[nodiscard]] const annexed& beside(std::uint32_t number) const {
    if (number >= beside_.size()) throw_missing(number);
    return beside_[number];
  }
  [[nodiscard]] std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return {at_, remaining()}; }

 private:
  [[noreturn]] static void throw_short(std::size_t wanted, std::size_t left);
  [[noreturn]] static void throw_missing(std::uint32_t number);
  run read_bulk(std::size_t n);
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  std::span<const annexed> beside_;
};

}  // namespace v0
}  // namespace centimane
