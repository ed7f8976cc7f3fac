#include "platform/memory_of.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

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

fd memory_of(std::int32_t pid, const file_identity& wanted) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/fd", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(path), &::closedir);
  if (!listing) return {};
  while (const dirent* entry = ::readdir(listing.get())) {
    struct stat about {};
    if (::fstatat(::dirfd(listing.get()), entry->d_name, &about, 0) != 0) continue;
    if (file_identity{about.st_dev, about.st_ino} != wanted) continue;
    if (fd found = memory_of(pid, std::atoi(entry->d_name), wanted)) return found;
  }
  errno = ESTALE;
  return {};
}

bool keeps_its_size(int memory) noexcept {
  const int seals = ::fcntl(memory, F_GET_SEALS);
  return seals < 0 ? errno == EINVAL : (seals & F_SEAL_SHRINK) != 0;
}

}  // namespace centimane::platform
