// What the tasks of one executor have said and nobody has told yet: between whoever takes it off a worker (any thread,
// under the pool's lock) and the one thread that tells it, which need not exist before there is something to tell.
//
// Thread safety: any thread; wait() belongs to the teller. Nothing is called under the lock, so it may be taken under
// any other, with the GIL or without.
#pragma once
#include <atomic>
#include <mutex>
#include <utility>

#include "centimane/detail/sleeper.hpp"
#include "process/inbox.hpp"

namespace centimane::python {

class words {
 public:
  /// Keeps it; beyond what an inbox keeps it is dropped, and counted. False: nobody tells it before employ().
  bool put(const engine::word& what) {
    {
      const std::lock_guard guard(mutex_);
      kept_.heard(what);
      waits_.store(true);
    }
    if (!employed_.load()) return false;
    teller_.ring();
    return true;
  }
  [[nodiscard]] bool wants_teller() const noexcept { return waits_.load() && !employed_.load(); }
  /// There is a thread that calls wait() until nothing more comes.
  void employ() noexcept {
    employed_.store(true);
    teller_.ring();  // what was put before rang for nobody
  }
  /// Nothing more will be put.
  void end() noexcept {
    ended_.store(true);
    teller_.ring();
  }

  /// All that is there. False: nothing is.
  bool take(engine::inbox& into) {
    const std::lock_guard guard(mutex_);
    if (!waits_.exchange(false)) return false;
    into = std::exchange(kept_, engine::inbox());
    return true;
  }
  /// The same, once there is something; not under the GIL. False: there is nothing, and nothing more comes.
  bool wait(engine::inbox& into) {
    for (;;) {
      const std::uint32_t ticket = teller_.announce();
      const bool last = ended_.load(), got = take(into);
      if (got || last) {
        teller_.awake();
        return got;
      }
      teller_.sleep(ticket, policy::never);
    }
  }

 private:
  std::mutex mutex_;
  engine::inbox kept_;
  std::atomic<bool> waits_{false}, employed_{false}, ended_{false};
  detail::sleeper teller_;
};

}  // namespace centimane::python
