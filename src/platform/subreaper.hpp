// Orphans of a process's descendants become its own children instead of init's: it can tell how many there are, and end
// and reap them. The pid of a child that nobody else reaps is its own until we do: no signal can hit a stranger.
#pragma once
#include <sys/types.h>

#include <vector>

namespace centimane::platform {

/// False: refused, errno says why.
bool become_subreaper() noexcept;
/// The children of the calling thread, the ended ones that are not reaped yet included; whoever has one thread has no
/// others, and adopts with it. Throws std::system_error where the kernel does not tell: no /proc, or a kernel without
/// CONFIG_PROC_CHILDREN.
std::vector<pid_t> children();
/// A child that has ended and is not reaped yet; 0: none. Does not wait.
pid_t ended_child() noexcept;

}  // namespace centimane::platform
