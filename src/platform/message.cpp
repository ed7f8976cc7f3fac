#include "platform/message.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "platform/fault.hpp"

namespace centimane::platform {

std::pair<fd, fd> socket_pair() {
  int ends[2];
  if (const int refused = CENTIMANE_FAULT_ERRNO("message.socket_pair")) {
    throw std::system_error(refused, std::generic_category(), "socketpair");
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {fd(ends[0]), fd(ends[1])};
}

transfer send_message(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
                      std::span<const int> fds, bool wait) noexcept {
  iovec parts[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                    {const_cast<std::byte*>(body.data()), body.size()}};
  alignas(cmsghdr) std::byte space[CMSG_SPACE(sizeof(int) * most_descriptors)]{};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  if (!fds.empty()) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0) return transfer::done;
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
      case ENOBUFS:
      case ENOMEM:
      case ETOOMANYREFS:  // too many descriptors under way in this user's sockets: passes as they are received
        return transfer::full;
      default:
        return transfer::gone;
    }
  }
}

transfer receive_message(int socket, std::span<std::byte> into, received& what, bool wait) noexcept {
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) std::byte space[CMSG_SPACE(sizeof(int) * most_descriptors)]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  ssize_t got = 0;
  do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? transfer::full : transfer::gone;
  what.size = static_cast<std::size_t>(got);
  what.count = 0;
  // All that came is owned first, so that nothing leaks whatever is found wrong.
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < n; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(control) + i * sizeof(int), sizeof number);
      fd owned(number);
      if (what.count < what.fds.size()) what.fds[what.count++] = std::move(owned);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    errno = (message.msg_flags & MSG_CTRUNC) != 0 ? EMFILE : EMSGSIZE;
    return transfer::damaged;
  }
  if (got == 0) return transfer::gone;  // no message of ours is empty
  return transfer::done;
}

}  // namespace centimane::platform
