#include "platform/memfd.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include "platform/fault.hpp"

// Older headers do not name these.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace centimane::platform {
namespace {

int create(const char* name, unsigned flags) noexcept {
  if (const int injected = CENTIMANE_FAULT_ERRNO("memfd.create"); injected != 0) {
    errno = injected;
    return -1;
  }
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

int create_sealable(const char* name) noexcept {
  const int memory = create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (memory >= 0 || errno != EINVAL) return memory;
  return create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);  // Linux before 6.3
}

/// An unlinked file that only we can open, where memfds are refused.
int create_file() {
  const char* where = std::getenv("TMPDIR");
  const std::string base = where != nullptr && *where != '\0' ? where : "/tmp";
  int file = ::open(base.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string path = base + "/centimane-XXXXXX";  // file systems without O_TMPFILE
  file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file >= 0) ::unlink(path.c_str());
  return file;
}

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::system_category(), what); }

bool add_seals(int memory, int seals) noexcept {
  if (const int injected = CENTIMANE_FAULT_ERRNO("memfd.seal"); injected != 0) {
    errno = injected;
    return false;
  }
  return ::fcntl(memory, F_ADD_SEALS, seals) == 0;
}

/// The same memory by a descriptor that cannot write; none without /proc.
fd reopened(int memory) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  return fd{::open(path, O_RDONLY | O_CLOEXEC)};
}

constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

fd make_memory(const char* name, std::size_t size) {
  fd memory{create_sealable(name)};
  const bool file = !memory && (errno == EPERM || errno == ENOSYS || errno == EACCES);
  if (file) memory = fd{create_file()};
  if (!memory) fail("centimane: cannot create shared memory");
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) != 0) fail("centimane: cannot size shared memory");
  // A file system can be full when a page is touched, which is a SIGBUS: take the room now.
  if (file) {
    const int refused = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(size));
    if (refused != 0 && refused != EOPNOTSUPP && refused != EINVAL) {
      errno = refused;
      fail("centimane: no room for shared memory in TMPDIR");
    }
  }
  return memory;
}

void seal_size(int memory) noexcept { add_seals(memory, size_seals); }

fd seal_for_readers(fd memory) {
  if (add_seals(memory.get(), size_seals | F_SEAL_FUTURE_WRITE)) return memory;
  add_seals(memory.get(), size_seals);  // Linux before 5.1
  fd reading = reopened(memory.get());
  if (!reading) return memory;  // no /proc: readers are kept from writing by their mapping alone
  return reading;
}

fd readable_only(int memory) {
  fd reading = reopened(memory);
  if (!reading) reading = fd{::fcntl(memory, F_DUPFD_CLOEXEC, 0)};
  if (!reading) fail("centimane: cannot share memory");
  return reading;
}

void write_memory(int memory, std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t put = ::pwrite(memory, from.data(), from.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      if (put == 0) errno = ENOSPC;
      fail("centimane: cannot write to shared memory");
    }
    offset += static_cast<std::uint64_t>(put);
    from = from.subspan(static_cast<std::size_t>(put));
  }
}

}  // namespace centimane::platform
