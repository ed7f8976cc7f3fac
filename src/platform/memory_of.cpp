#include "platform/memory_of.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

namespace centimane::platform {

file_identity identify(int file) noexcept {
  struct stat about {};
  if (file < 0 || ::fstat(file, &about) != 0) return {};
  return {about.st_dev, about.st_ino};
}

fd memory_of(std::int32_t pid, int number, const file_identity& wanted) noexcept {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, number);
  // The number may mean something else by now, a device or a pipe, on which an open that reads or writes would act or
  // wait: first only look.
  const fd seen(::open(path, O_PATH | O_CLOEXEC));
  if (!seen) return {};
  struct stat about {};
  if (::fstat(seen.get(), &about) != 0) return {};
  if (!S_ISREG(about.st_mode) || file_identity{about.st_dev, about.st_ino} != wanted) {
    errno = ESTALE;
    return {};
  }
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", seen.get());
  return fd(::open(path, O_RDWR | O_CLOEXEC));
}

bool keeps_its_size(int memory) noexcept {
  const int seals = ::fcntl(memory, F_GET_SEALS);
  return seals < 0 ? errno == EINVAL : (seals & F_SEAL_SHRINK) != 0;
}

}  // namespace centimane::platform
