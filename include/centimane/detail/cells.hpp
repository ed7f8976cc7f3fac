// Memory for values that others construct in place: dense (the length is known) or in pages (it is not). Neither knows
// which cells hold a value; the owner does.
//
// Thread safety: a cell may be written by one thread while others write their neighbours. Growing and releasing are for
// one thread, the driver's; a cell is handed to another thread only after it was reached, through a queue that orders
// memory.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "centimane/detail/large_memory.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// One uninitialised array.
template <class T>
class cells {
 public:
  cells() noexcept = default;
  explicit cells(std::size_t n) : n_(n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    if (n != 0) memory_ = static_cast<T*>(allocate_values(n * sizeof(T), alignof(T)));
  }
  cells(cells&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), n_(std::exchange(other.n_, 0)) {}
  cells& operator=(cells&& other) noexcept {
    if (this != &other) {
      free();
      memory_ = std::exchange(other.memory_, nullptr);
      n_ = std::exchange(other.n_, 0);
    }
    return *this;
  }
  ~cells() { free(); }
  [[nodiscard]] T* data() noexcept { return memory_; }
  [[nodiscard]] const T* data() const noexcept { return memory_; }

 private:
  void free() noexcept {
    if (memory_ != nullptr) free_values(memory_, n_ * sizeof(T), alignof(T));
  }
  T* memory_ = nullptr;
  std::size_t n_ = 0;
};

/// Uninitialised cells 0, 1, 2, … in pages that never move. A page is freed when all its cells have been released, so
/// what is live, not what has passed, takes memory (but for 8 bytes a thousand cells).
template <class T>
class paged {
 public:
  static constexpr std::uint64_t page_cells = 256;

  paged() noexcept = default;
  paged(const paged&) = delete;
  paged& operator=(const paged&) = delete;
  ~paged() {
    for (std::uint64_t p = 0; p < pages_; ++p) delete page_at(p);
  }

  /// Makes cells [0, end) exist.
  void reach(std::uint64_t end) {
    while (pages_ * page_cells < end) {
      auto [segment, offset] = place(pages_);
      if (!directory_[segment]) directory_[segment] = std::make_unique<page*[]>(std::size_t{1} << segment);
      directory_[segment][offset] = new page;
      ++pages_;
    }
  }
  /// Precondition: reached and not released.
  [[nodiscard]] T* at(std::uint64_t i) noexcept {
    return reinterpret_cast<T*>(page_at(i / page_cells)->memory) + i % page_cells;
  }
  /// Reached, and on a page that is not wholly released.
  [[nodiscard]] bool exists(std::uint64_t i) noexcept {
    return i / page_cells < pages_ && page_at(i / page_cells) != nullptr;
  }
  /// The cell is empty and will not be used again. Each cell once.
  void release(std::uint64_t i) noexcept {
    page*& p = page_at(i / page_cells);
    if (++p->released == page_cells) {
      delete p;
      p = nullptr;
    }
  }

 private:
  struct page {
    alignas(T) std::byte memory[sizeof(T) * page_cells];
    std::uint64_t released = 0;
  };
  /// Segment k of the directory has room for 2^k pages, so it grows without moving.
  static std::pair<std::size_t, std::size_t> place(std::uint64_t p) noexcept {
    auto segment = static_cast<std::size_t>(std::bit_width(p + 1) - 1);
    return {segment, static_cast<std::size_t>(p + 1 - (std::uint64_t{1} << segment))};
  }
  page*& page_at(std::uint64_t p) noexcept {
    auto [segment, offset] = place(p);
    return directory_[segment][offset];
  }
  std::array<std::unique_ptr<page*[]>, 56> directory_;
  std::uint64_t pages_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
