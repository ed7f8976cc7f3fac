#include "platform/limits.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

namespace centimane::platform {
namespace {
constexpr std::array which{RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_FSIZE};
}  // namespace

kept_limits::kept_limits() noexcept {
  for (std::size_t i = 0; i < which.size(); ++i) {
    rlimit now{};
    if (getrlimit(which[i], &now) == 0) were_[i] = {now.rlim_cur, now.rlim_max};
  }
}

bool kept_limits::restored() const noexcept {
  bool all = true;
  for (std::size_t i = 0; i < which.size(); ++i) {
    rlimit now{};
    if (getrlimit(which[i], &now) != 0 || (now.rlim_cur == were_[i].soft && now.rlim_max == were_[i].hard)) continue;
    const rlimit before{were_[i].soft, were_[i].hard};
    all = setrlimit(which[i], &before) == 0 && all;
  }
  return all;
}

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
