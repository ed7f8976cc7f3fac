#include "platform/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "platform/fault.hpp"
#include "platform/fd.hpp"

namespace centimane::platform {
namespace {

/// A page's word in /proc/self/pagemap: it is there, and it is the file's or anonymous memory that is shared. A page of
/// ours alone (one that was copied as it was written to) has the first and not the second.
constexpr std::uint64_t present = std::uint64_t{1} << 63, swapped = std::uint64_t{1} << 62,
                        of_file = std::uint64_t{1} << 61;

/// Does the kernel tell that no page of the range is a copy of our own?
bool unchanged(const std::byte* at, std::size_t size) noexcept {
  const fd map(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!map) return false;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = reinterpret_cast<std::uintptr_t>(at) / page, pages = (size + page - 1) / page;
  std::array<std::uint64_t, 2048> words;
  for (std::size_t k = 0; k < pages;) {
    const std::size_t wanted = std::min(words.size(), pages - k) * sizeof words[0];
    const ssize_t got = ::pread(map.get(), words.data(), wanted, static_cast<off_t>((first + k) * sizeof words[0]));
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof words[0])) return false;
    const auto n = static_cast<std::size_t>(got) / sizeof words[0];
    for (std::size_t i = 0; i < n; ++i) {
      if ((words[i] & (present | swapped)) != 0 && (words[i] & of_file) == 0) return false;
    }
    k += n;
  }
  return true;
}

std::byte* map(int memory, std::size_t size, int protection, int flags) {
  void* at = MAP_FAILED;
  if (const int refused = CENTIMANE_FAULT_ERRNO("mapping.map")) {
    errno = refused;
  } else {
    at = ::mmap(nullptr, size, protection, flags, memory, 0);
  }
  if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "centimane: cannot map shared memory");
  return static_cast<std::byte*>(at);
}

}  // namespace

mapping::mapping(int memory, std::size_t size, access how)
    : at_(map(memory, size, how == access::read ? PROT_READ : PROT_READ | PROT_WRITE,
              how == access::copy ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED)),
      size_(size) {}

mapping mapping::shared_with_children(std::size_t size) {
  mapping it;
  it.at_ = map(-1, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  it.size_ = size;
  return it;
}

void mapping::keep_from_children() noexcept {
  if (at_ != nullptr) ::madvise(at_, size_, MADV_DONTFORK);
}

void mapping::unmap() noexcept {
  if (at_ != nullptr) ::munmap(at_, size_);
  at_ = nullptr;
}

bool undo_changes(std::byte* at, std::size_t size) noexcept {
  return unchanged(at, size) || ::madvise(at, size, MADV_DONTNEED) == 0;
}

std::size_t memory_size(int memory) {
  struct stat about {};
  if (::fstat(memory, &about) != 0) {
    throw std::system_error(errno, std::system_category(), "centimane: cannot size shared memory");
  }
  return static_cast<std::size_t>(about.st_size);
}

}  // namespace centimane::platform
