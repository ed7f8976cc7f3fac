#include "platform/event_fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace centimane::platform {

event_fd::event_fd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void event_fd::ring() noexcept {
  const int before = errno;  // a signal handler's caller looks at its own
  const std::uint64_t one = 1;
  (void)!write(fd_.get(), &one, sizeof one);  // EAGAIN: it is readable already
  errno = before;
}

void event_fd::hush() noexcept {
  std::uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof count);
}

}  // namespace centimane::platform
