#include "platform/fd.hpp"

#include <unistd.h>

#include <cerrno>

namespace centimane::platform {

void fd::reset() noexcept {
  if (number_ < 0) return;
  const int keep = errno;  // a descriptor that goes out of scope must not change what went wrong
  close(number_);          // on EINTR Linux has closed it: never again
  errno = keep;
  number_ = -1;
}

}  // namespace centimane::platform
