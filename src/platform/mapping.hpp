// A mapping of a descriptor's memory, unmapped on destruction.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace centimane::platform {

enum class access : std::uint8_t {
  read,   ///< shared
  write,  ///< shared
  copy,   ///< what is written here is seen by nobody else, nor by the memory: pages are copied as they are written to
};

class mapping {
 public:
  mapping() noexcept = default;
  /// Maps the first `size` bytes. Throws std::system_error.
  mapping(int memory, std::size_t size, access how);
  /// New, zeroed, without a descriptor: what children that are forked from now on share with us. Throws
  /// std::system_error.
  static mapping shared_with_children(std::size_t size);
  mapping(mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapping& operator=(mapping&& other) noexcept {
    if (this != &other) {
      unmap();
      at_ = std::exchange(other.at_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~mapping() { unmap(); }

  /// Children of this process do not get the mapping.
  void keep_from_children() noexcept;
  /// Unmaps nothing any more: in a child that did not get it, or for memory that stays until the end.
  void forget() noexcept { at_ = nullptr; }
  [[nodiscard]] std::byte* data() const noexcept { return at_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void unmap() noexcept;
  std::byte* at_ = nullptr;
  std::size_t size_ = 0;
};

/// Undoes what was written to these whole pages of a mapping with access::copy: they show the memory's own bytes again.
/// Cheap where nothing was written (the kernel tells), and the pages stay mapped then. False: it was refused.
bool undo_changes(std::byte* at, std::size_t size) noexcept;

/// The size of the memory behind a descriptor. Throws std::system_error.
std::size_t memory_size(int memory);

}  // namespace centimane::platform
