// Datagrams with descriptors over a local socket. Never raises SIGPIPE, restarts after signals, received descriptors
// are close-on-exec, and a datagram that did not come whole (MSG_TRUNC, MSG_CTRUNC) is told apart.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "platform/fd.hpp"

namespace centimane::platform {

/// Two connected SOCK_SEQPACKET ends, close-on-exec. Throws std::system_error.
std::pair<fd, fd> socket_pair();

enum class transfer : std::uint8_t {
  done,
  full,     ///< sending: no room now; receiving: nothing there now
  gone,     ///< the other end is closed
  damaged,  ///< receiving: cut off, or descriptors were lost (EMFILE): errno holds the better guess
};

inline constexpr std::size_t most_descriptors = 8;

/// Sends one datagram. `wait`: until there is room, else answers full.
transfer send_message(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
                      std::span<const int> fds, bool wait) noexcept;

struct received {
  std::size_t size = 0;
  std::array<fd, most_descriptors> fds;
  std::size_t count = 0;
};
/// Receives one datagram into `into`. `wait`: until one is there.
transfer receive_message(int socket, std::span<std::byte> into, received& what, bool wait) noexcept;

}  // namespace centimane::platform
