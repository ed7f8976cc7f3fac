// Memory that a process of one function has made and sends on (memory/lent.hpp): it may end before anybody has taken
// it, and has no driver that reads what it writes. So its zygote keeps it, by a descriptor alone: nothing is mapped,
// and nothing is inherited by those that are forked later.
//
// Thread safety: the zygote's own thread. In the child: any thread.
#pragma once
#include <cstdint>
#include <vector>

#include "platform/fd.hpp"
#include "platform/process_identity.hpp"
#include "policy/fleet.hpp"

namespace centimane::engine {

class mailbox {
 public:
  /// Throws std::system_error.
  mailbox();
  /// Readable if something has come.
  [[nodiscard]] int incoming() const noexcept { return in_.get(); }
  /// Takes what has come.
  void take();
  /// Lets go of what others have taken, and of what nobody took in a minute. When to look again; never: all is gone.
  policy::nanos look(policy::nanos now);
  /// In a child: it sends from here on; the address is its own now. Nothing of the zygote's stays with it.
  platform::fd leave_to_child() noexcept;

 private:
  struct kept {
    platform::fd memory;
    policy::nanos since;
  };
  platform::fd in_, out_;
  std::vector<kept> kept_;
};

/// In a process of one function: what it makes and hands out goes to its zygote from now on.
void lend_by_mail(platform::fd address, platform::process_identity zygote) noexcept;

}  // namespace centimane::engine
