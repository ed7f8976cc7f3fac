// An encoded task until it is handed to a worker. Few bytes lie inline: then it costs no allocation of its own.
#pragma once
#include <cstring>
#include <memory>
#include <span>

namespace centimane::python {

class task_record {
 public:
  void assign(std::span<const std::byte> from) {
    size_ = from.size();
    std::byte* at = small_;
    if (size_ > sizeof small_) {
      large_ = std::make_unique_for_overwrite<std::byte[]>(size_);
      at = large_.get();
    }
    if (size_ != 0) std::memcpy(at, from.data(), size_);
  }
  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    return {size_ > sizeof small_ ? large_.get() : small_, size_};
  }
  void drop() noexcept {
    large_.reset();
    size_ = 0;
  }

 private:
  std::size_t size_ = 0;
  std::byte small_[32];
  std::unique_ptr<std::byte[]> large_;
};

}  // namespace centimane::python
