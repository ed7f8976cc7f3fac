#include "process/lifeline.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

namespace centimane::engine {

lifeline make_lifeline() noexcept {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  return {platform::fd(ends[1]), platform::fd(ends[0])};
}

void hang_on(int worker_end) noexcept {
  // The owner before the flag: a signal must not go to nobody.
  fcntl(worker_end, F_SETOWN, getpid());
  fcntl(worker_end, F_SETSIG, SIGKILL);
  fcntl(worker_end, F_SETFL, O_ASYNC | O_NONBLOCK);
  pollfd what{worker_end, POLLIN, 0};
  if (poll(&what, 1, 0) == 1 && (what.revents & POLLHUP) != 0) _exit(0);  // closed before we were armed
}

}  // namespace centimane::engine
