#include "platform/descriptors.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <system_error>

#include "platform/fault.hpp"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace centimane::platform {
namespace {

constexpr int room_above = 32;

int soft_limit() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

/// [first, last], without close_range: what /proc lists, or, without /proc, every number up to the limit.
void close_one_by_one(int first, int last) noexcept {
  if (DIR* listed = opendir("/proc/self/fd")) {
    const int own = dirfd(listed);
    while (const dirent* entry = readdir(listed)) {
      const int number = std::atoi(entry->d_name);  // "." and ".." are 0, which is below every range
      if (number >= first && number <= last && number != own) close(number);
    }
    closedir(listed);
    return;
  }
  const int end = std::min(last, std::min(soft_limit(), 65536) - 1);
  for (int number = first; number <= end; ++number) close(number);
}

void close_between(int first, int last) noexcept {
  if (first > last) return;
  int refused = CENTIMANE_FAULT_ERRNO("descriptors.close_range");
  if (refused == 0 && syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0U) == 0)
    return;
  close_one_by_one(first, last);
}

}  // namespace

int high_numbers() noexcept {
  // Not above 1023: select() in user code is none of our business, but a table of 20 000 numbers costs each fork.
  return std::max(3, std::min(soft_limit(), 1024) - room_above);
}

fd move_high(fd low) noexcept {
  if (!low || low.get() >= high_numbers()) return low;
  fd high(fcntl(low.get(), F_DUPFD_CLOEXEC, high_numbers()));
  return high ? std::move(high) : std::move(low);
}

fd another(int number) {
  if (number < 0) return fd();
  fd made(fcntl(number, F_DUPFD_CLOEXEC, 3));
  if (!made && errno != EBADF) throw std::system_error(errno, std::generic_category(), "centimane: a descriptor");
  return made;
}

void close_all_but(std::span<const int> keep) noexcept {
  std::array<int, 64> sorted{};
  std::size_t n = 0;
  for (const int number : keep) {
    if (number >= 3 && n < sorted.size()) sorted[n++] = number;
  }
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(n));
  int from = 3;
  for (std::size_t i = 0; i < n; ++i) {
    close_between(from, sorted[i] - 1);
    from = sorted[i] + 1;
  }
  close_between(from, INT_MAX);
}

void ensure_standard() noexcept {
  for (int number = 0; number <= 2; ++number) {
    if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    const int opened = open("/dev/null", O_RDWR);  // the lowest free number is `number`: those below are open
    if (opened >= 0 && opened != number) close(opened);
  }
}

void silence_stdin() noexcept {
  const fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null && null.get() != 0) dup2(null.get(), 0);
}

identity::identity(int fd) noexcept {
  struct stat what {};
  if (fd >= 0 && fstat(fd, &what) == 0) {
    device_ = what.st_dev;
    inode_ = what.st_ino;
    known_ = true;
  }
}

bool identity::still(int fd) const noexcept {
  struct stat what {};
  return known_ && fd >= 0 && fstat(fd, &what) == 0 && what.st_dev == device_ && what.st_ino == inode_;
}

}  // namespace centimane::platform
