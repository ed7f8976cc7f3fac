// Waits for descriptors and for a kick: epoll with an eventfd inside. One thread waits; any thread may add, remove and
// kick.
#pragma once
#include <cstdint>
#include <span>

#include "centimane/detail/words.hpp"
#include "platform/fd.hpp"

namespace centimane::platform {

class poller {
 public:
  struct event {
    std::uint64_t tag = 0;
    bool readable = false;  ///< something to read, an end of file or an error
    bool writable = false;
  };
  /// The tag under which a kick is told; callers must not use it.
  static constexpr std::uint64_t kicked = UINT64_MAX;

  poller();  ///< throws std::system_error
  void add(int fd, std::uint64_t tag, bool write_too = false);
  void change(int fd, std::uint64_t tag, bool write_too);
  /// Before the descriptor is closed; an event that was fetched already may still be told.
  void remove(int fd) noexcept;
  /// Makes the present or the next wait return at once.
  void kick() noexcept;
  /// Sleeps until an event, a kick or `until` on the monotonic clock. Fills `into`, answers how many.
  std::size_t wait(std::span<event> into, policy::nanos until);

 private:
  fd epoll_, kick_;
};

}  // namespace centimane::platform
