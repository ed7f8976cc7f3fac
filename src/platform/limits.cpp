#include "platform/limits.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

namespace centimane::platform {

std::uint64_t free_descriptors() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  std::uint64_t open = 0;
  if (DIR* all = opendir("/proc/self/fd")) {
    while (const dirent* one = readdir(all)) open += one->d_name[0] != '.' ? 1 : 0;
    closedir(all);
    --open;  // the folder's own
  } else {   // no /proc, or no descriptor left to look at it with: ask one by one
    for (std::uint64_t n = 0; n < limit.rlim_cur && n < 65536; ++n)
      open += fcntl(static_cast<int>(n), F_GETFD) >= 0 ? 1 : 0;
  }
  return open < limit.rlim_cur ? limit.rlim_cur - open : 0;
}

}  // namespace centimane::platform
