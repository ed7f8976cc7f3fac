// Holds all signals back on this thread, and lets them in during a sleep. A thread that checks for signals and then
// sleeps would miss one that comes in between; with a hold around both, it is delivered in the sleep, which ends with
// EINTR.
#pragma once
#include <signal.h>

namespace centimane::platform {

/// Blocks every signal of the calling thread for its lifetime. Nests: the outermost counts. Belongs to the thread that
/// made it.
class signal_hold {
 public:
  signal_hold() noexcept;
  ~signal_hold();
  signal_hold(const signal_hold&) = delete;
  signal_hold& operator=(const signal_hold&) = delete;

  /// The mask as it was before this thread's outermost hold, or nullptr without one: what ppoll and its like are to
  /// sleep with.
  [[nodiscard]] static const sigset_t* before() noexcept;

 private:
  sigset_t old_;
  bool outermost_;
};

}  // namespace centimane::platform
