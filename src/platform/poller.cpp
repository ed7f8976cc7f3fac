#include "platform/poller.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "platform/clock.hpp"

namespace centimane::platform {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void control(int epoll, int operation, int fd, std::uint64_t tag, bool write_too) {
  epoll_event event{};
  event.events = EPOLLIN | (write_too ? EPOLLOUT : 0U);
  event.data.u64 = tag;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) fail("epoll_ctl");
}

}  // namespace

poller::poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)), kick_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !kick_) fail("epoll_create1");
  control(epoll_.get(), EPOLL_CTL_ADD, kick_.get(), kicked, false);
}

void poller::add(int fd, std::uint64_t tag, bool write_too) {
  control(epoll_.get(), EPOLL_CTL_ADD, fd, tag, write_too);
}

void poller::change(int fd, std::uint64_t tag, bool write_too) {
  control(epoll_.get(), EPOLL_CTL_MOD, fd, tag, write_too);
}

void poller::remove(int fd) noexcept {
  epoll_event unused{};
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

void poller::kick() noexcept {
  const std::uint64_t one = 1;
  (void)!write(kick_.get(), &one, sizeof one);  // EAGAIN: a kick is pending already
}

std::size_t poller::wait(std::span<event> into, policy::nanos until) {
  std::array<epoll_event, 64> raw;
  const int room = static_cast<int>(std::min(raw.size(), into.size()));
  int got = -1;
  if (until == policy::never) {
    got = epoll_wait(epoll_.get(), raw.data(), room, -1);
  } else {
    const policy::nanos at = now();
    const policy::nanos left = until > at ? until - at : 0;  // `until` may be long ago
    const timespec time{left / 1'000'000'000, left % 1'000'000'000};
    got = epoll_pwait2(epoll_.get(), raw.data(), room, &time, nullptr);
    if (got < 0 && (errno == ENOSYS || errno == EPERM)) {  // kernels before 5.11, seccomp: milliseconds, rounded up
      const policy::nanos rounded = std::min<policy::nanos>((left + 999'999) / 1'000'000, 60'000);
      got = epoll_wait(epoll_.get(), raw.data(), room, static_cast<int>(rounded));
    }
  }
  if (got < 0) {
    if (errno == EINTR) return 0;
    fail("epoll_wait");
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    into[i] = {raw[i].data.u64, (raw[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0,
               (raw[i].events & EPOLLOUT) != 0};
    if (raw[i].data.u64 == kicked) {
      std::uint64_t count = 0;
      (void)!read(kick_.get(), &count, sizeof count);
    }
  }
  return static_cast<std::size_t>(got);
}

}  // namespace centimane::platform
