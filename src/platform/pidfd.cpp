#include "platform/pidfd.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "platform/fault.hpp"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

namespace centimane::platform {

fd pidfd_open(pid_t pid) noexcept {
  if (const int refused = CENTIMANE_FAULT_ERRNO("pidfd.open")) {
    errno = refused;
    return {};
  }
  return fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool pidfd_signal(int pidfd, int signal) noexcept {
  // As with a process in the kernel's uninterruptible sleep: the signal is taken, and nothing follows.
  if (signal == SIGKILL && CENTIMANE_FAULT_ERRNO("pidfd.kill_without_effect") != 0) return true;
  return syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

bool pidfd_exited(int pidfd) noexcept {
  if (pidfd < 0) return false;
  pollfd what{pidfd, POLLIN, 0};
  int got = 0;
  do got = poll(&what, 1, 0);
  while (got < 0 && errno == EINTR);
  return got == 1 && (what.revents & POLLIN) != 0;
}

bool child_ended(pid_t pid, exit_status& how) noexcept {
  siginfo_t info{};
  int got = 0;
  do got = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG);
  while (got != 0 && errno == EINTR);
  if (got != 0) return true;             // ECHILD
  if (info.si_pid != pid) return false;  // still there
  how.known = true;
  if (info.si_code == CLD_EXITED) {
    how.code = info.si_status;
  } else {
    how.signal = info.si_status;
  }
  return true;
}

void reap(pid_t pid) noexcept {
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

}  // namespace centimane::platform
