// A shared mapping of a descriptor's memory, unmapped on destruction.
#pragma once
#include <cstddef>
#include <utility>

namespace centimane::platform {

enum class access : bool { read, write };

class mapping {
 public:
  mapping() noexcept = default;
  /// Maps the first `size` bytes, shared. Throws std::system_error.
  mapping(int memory, std::size_t size, access how);
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
  [[nodiscard]] std::byte* data() const noexcept { return at_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void unmap() noexcept;
  std::byte* at_ = nullptr;
  std::size_t size_ = 0;
};

/// The size of the memory behind a descriptor. Throws std::system_error.
std::size_t memory_size(int memory);

}  // namespace centimane::platform
