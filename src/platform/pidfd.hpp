// Exact handles on processes. A pid may be given to a stranger as soon as its owner is reaped; a pidfd never is. Where
// the kernel or a sandbox refuses pidfds (ENOSYS, EPERM), callers fall back to what a parent may do with an unreaped
// child.
#pragma once
#include <sys/types.h>

#include "platform/fd.hpp"

namespace centimane::platform {

/// Close-on-exec. None, with errno set, if refused or if there is no such process.
fd pidfd_open(pid_t pid) noexcept;
/// False if the process is gone (or the signal is refused).
bool pidfd_signal(int pidfd, int signal) noexcept;
/// Has the process ended? Does not wait, does not reap. False for a descriptor that is none.
bool pidfd_exited(int pidfd) noexcept;

/// How a child ended.
struct exit_status {
  bool known = false;
  int signal = 0;  ///< by this signal, or
  int code = -1;   ///< with this exit code
};
/// Has our child `pid` ended? Tells how; leaves it unreaped, so that its pid and its process group stay its own. Does
/// not wait. A child that somebody else reaped counts as ended, its status unknown.
bool child_ended(pid_t pid, exit_status& how) noexcept;
/// Reaps our child, waiting for it if it has not ended. ECHILD is no error.
void reap(pid_t pid) noexcept;

}  // namespace centimane::platform
