#include "platform/pages.hpp"

#include <sys/mman.h>

#include <new>

namespace centimane::platform {

void* take_pages(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}

void return_pages(void* at, std::size_t size) noexcept {
  if (at != nullptr) ::munmap(at, size);
}

void drop_shared_pages(void* at, std::size_t size) noexcept { ::madvise(at, size, MADV_REMOVE); }

}  // namespace centimane::platform
