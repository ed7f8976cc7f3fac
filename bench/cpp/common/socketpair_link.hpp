// Two processes and a socket pair: one packet a message.
#pragma once
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "forked_workers.hpp"

namespace bench {

class socketpair_link {
 public:
  static constexpr std::size_t window = 64;
  static constexpr const char* version = "Linux";
  socketpair_link() {
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_.data()) != 0) fail("socketpair");
  }
  socketpair_link(const socketpair_link&) = delete;
  socketpair_link& operator=(const socketpair_link&) = delete;
  ~socketpair_link() { ::close(mine_); }
  void as_parent() { keep(0); }
  void as_child() { keep(1); }
  void send(message m) {
    if (::send(mine_, &m, sizeof m, MSG_NOSIGNAL) != sizeof m) fail("send");
  }
  [[nodiscard]] message receive() {
    message m = leave;
    if (::recv(mine_, &m, sizeof m, 0) < 0) fail("recv");
    return m;
  }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }
  void keep(std::size_t which) {
    mine_ = ends_.at(which);
    ::close(ends_.at(1 - which));
  }
  std::array<int, 2> ends_{-1, -1};
  int mine_ = -1;
};

}  // namespace bench
