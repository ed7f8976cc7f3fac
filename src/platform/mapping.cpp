#include "platform/mapping.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace centimane::platform {

mapping::mapping(int memory, std::size_t size, access how) : size_(size) {
  const int protection = how == access::write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* at = ::mmap(nullptr, size, protection, MAP_SHARED, memory, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "centimane: cannot map shared memory");
  at_ = static_cast<std::byte*>(at);
}

void mapping::keep_from_children() noexcept {
  if (at_ != nullptr) ::madvise(at_, size_, MADV_DONTFORK);
}

void mapping::unmap() noexcept {
  if (at_ != nullptr) ::munmap(at_, size_);
  at_ = nullptr;
}

std::size_t memory_size(int memory) {
  struct stat about {};
  if (::fstat(memory, &about) != 0) {
    throw std::system_error(errno, std::system_category(), "centimane: cannot size shared memory");
  }
  return static_cast<std::size_t>(about.st_size);
}

}  // namespace centimane::platform
