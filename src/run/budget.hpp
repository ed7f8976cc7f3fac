// One budget of starts for whoever draws from it: runs, threads and event loops of one process, or those of several
// processes on one machine, which share it by a file.
//
// Without a lock: the state is two words that only grow, of tokens and of pauses, each replaced by one
// compare-exchange. So nobody waits for anybody, and a process that is stopped or killed anywhere neither holds others
// up nor leaves half a change.
//
// Promise: policy::pace's, over all who draw, since time is the machine's monotonic clock. What a dead process took is
// not given back.
// Thread safety: any thread. Cost: a look at the clock and a compare-exchange; opening a file, some system calls.
#pragma once
#include <atomic>
#include <string>

#include "platform/mapping.hpp"
#include "policy/limiter.hpp"

namespace centimane::engine {

class budget final : public policy::tokens {
 public:
  using index = policy::index;
  using nanos = policy::nanos;

  /// One token each `between` nanoseconds, `burst` at once after a pause; each at least 1.
  budget(nanos between, index burst);
  /// The same, for all who name that file. It is made with mode 0600, and begun anew after a restart of the machine.
  /// Throws std::invalid_argument for a file that is not a limiter's, is for another rate, or that somebody else owns
  /// or may write to; std::system_error for one that cannot be opened. Then the file is as it was.
  budget(nanos between, index burst, const std::string& path);
  budget(const budget&) = delete;
  budget& operator=(const budget&) = delete;

  index take_up_to(nanos now, index n) override;
  [[nodiscard]] index expected(nanos now, nanos ahead) const override;
  [[nodiscard]] nanos ready_at(nanos now) const override;
  void pause_until(nanos t) override;

  /// Takes a token: 0. None is there: how long until one may be.
  nanos take();
  /// No token before that much time from now.
  void pause(nanos time);

 private:
  struct words {
    std::atomic<nanos> tat{0};
    std::atomic<nanos> paused{0};
  };
  struct layout;

  policy::pace pace_;
  words own_;
  platform::mapping file_;
  words* at_ = &own_;
};

}  // namespace centimane::engine
