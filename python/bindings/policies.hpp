// What a run is asked beside its work: when it may start attempts, what is tried again, what ends it. Held by the run;
// the limiter and the stop flag may be shared by many runs, threads and event loops.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "centimane/detail/sleeper.hpp"
#include "object.hpp"
#include "platform/clock.hpp"
#include "policy/run.hpp"
#include "run/budget.hpp"

namespace centimane::python {

using policy::nanos;

/// Set once, for ever. Any thread, a signal handler too (Python runs those between its own steps, never in here).
class stop_flag {
 public:
  void set() {
    stopped_.store(true, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    for (const detail::alarm* one : listeners_) one->call(one->context);
  }
  [[nodiscard]] bool is_set() const noexcept { return stopped_.load(std::memory_order_relaxed); }
  /// From now on `it` is called by set(), under a lock.
  void listen(const detail::alarm* it) {
    const std::lock_guard lock(mutex_);
    listeners_.push_back(it);
  }
  /// It is not being called any more.
  void forget(const detail::alarm* it) {
    const std::lock_guard lock(mutex_);
    std::erase(listeners_, it);
  }

 private:
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<const detail::alarm*> listeners_;
};

struct run_policies {
  std::uint32_t attempts = 1;
  nanos backoff = 0, max_delay = policy::never, max_server_wait = policy::never;
  bool jitter = true;
  std::optional<policy::index> max_errors;
  std::shared_ptr<engine::budget> limiter;
  std::shared_ptr<stop_flag> stop;
  ref judge;  ///< judge(error) -> None: not to be tried again; else the wait in seconds that the error asks for, or 0.0

  void apply(policy::rules& rules) const {
    rules.attempts = attempts;
    rules.backoff = backoff;
    rules.max_delay = max_delay;
    rules.max_server_wait = max_server_wait;
    rules.jitter = jitter;
    rules.seed = static_cast<std::uint64_t>(platform::now());
    if (max_errors) rules.max_errors = *max_errors - 1;
    rules.limit = limiter.get();
  }
  [[nodiscard]] bool stopped() const noexcept { return stop && stop->is_set(); }
};

}  // namespace centimane::python
