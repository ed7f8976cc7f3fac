#include "platform/common_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "platform/clock.hpp"
#include "platform/fault.hpp"

namespace centimane::platform {

common_file::found common_file::open(const std::string& path) {
  // Without O_NONBLOCK a pipe of that name would wait for its other end.
  file_ = fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file_) return errno == ELOOP || errno == ENXIO || errno == EISDIR ? found::not_plain : found::failed;
  struct stat about {};
  if (::fstat(file_.get(), &about) != 0) return found::failed;
  if (!S_ISREG(about.st_mode)) return found::not_plain;
  if (about.st_uid != ::geteuid()) return found::of_another_user;
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) return found::others_write;
  // Held for a few system calls, so who finds it held comes back rather than sleep without a deadline.
  for (const std::int64_t until = now() + 10'000'000'000; ::flock(file_.get(), LOCK_EX | LOCK_NB) != 0;) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return found::failed;
    if (now() > until) return found::held;
    const timespec a_moment{0, 1'000'000};
    ::nanosleep(&a_moment, nullptr);
  }
  CENTIMANE_FAULT("common_file.held");
  return found::opened;
}

std::uint64_t common_file::size_or_grow(std::uint64_t wanted) {
  struct stat about {};
  const auto grow = [&] { return ::ftruncate(file_.get(), static_cast<off_t>(wanted)) == 0; };
  if (::fstat(file_.get(), &about) != 0 || (about.st_size == 0 && !grow())) {
    throw std::system_error(errno, std::generic_category(), "centimane: cannot size a shared file");
  }
  return about.st_size == 0 ? wanted : static_cast<std::uint64_t>(about.st_size);
}

void common_file::let_go() noexcept {
  // Said aloud: a process that was forked in between has the descriptor too, and closing ours would not let go.
  if (file_) ::flock(file_.get(), LOCK_UN);
  file_.reset();
}

std::string boot_id() {
  const fd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  std::array<char, 36> text{};
  if (!file || ::read(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return {};
  return {text.data(), text.size()};
}

}  // namespace centimane::platform
