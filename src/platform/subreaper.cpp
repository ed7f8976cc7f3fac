#include "platform/subreaper.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>

#include "platform/fd.hpp"

namespace centimane::platform {

bool become_subreaper() noexcept { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0; }

std::vector<pid_t> children() {
  const fd list(open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
  if (!list) throw std::system_error(errno, std::generic_category(), "centimane: /proc/thread-self/children");
  std::string text;
  for (std::array<char, 4096> some;;) {
    const ssize_t got = read(list.get(), some.data(), some.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(some.data(), static_cast<std::size_t>(got));
  }
  std::vector<pid_t> all;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    pid_t pid = 0;
    const auto [behind, error] = std::from_chars(at, end, pid);
    if (error != std::errc{}) break;
    all.push_back(pid);
    at = behind + 1;  // a blank stands behind each
  }
  return all;
}

pid_t ended_child() noexcept {
  siginfo_t info{};
  int got = 0;
  do got = waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG);
  while (got != 0 && errno == EINTR);
  return got == 0 ? info.si_pid : 0;
}

}  // namespace centimane::platform
