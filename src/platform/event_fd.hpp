// A descriptor that becomes readable when it is rung: what wakes an event loop from another thread.
//
// Thread safety: ring() from any thread and from signal handlers; the rest on one thread.
#pragma once
#include "platform/fd.hpp"

namespace centimane::platform {

class event_fd {
 public:
  event_fd();  ///< throws std::system_error
  void ring() noexcept;
  /// Not readable any more, until it is rung again.
  void hush() noexcept;
  [[nodiscard]] int get() const noexcept { return fd_.get(); }

 private:
  fd fd_;
};

}  // namespace centimane::platform
