// limiter: how many attempts may start in a span of time (GCRA, the "leaky bucket as a meter": two words of state, no
// timer). Pure: no clock, no lock. It may lie in memory that several processes share, so it has no virtual function and
// owns nothing.
//
// Promise: in any half-open span of `per`, at most count + burst - 1 tokens are given. All arithmetic rounds so that a
// token is given late rather than early.
#pragma once
#include <algorithm>

#include "centimane/detail/words.hpp"

namespace centimane::policy {

/// Held by a run around each use of a limiter that others use too. Whoever shares the limiter owns the lock (a mutex
/// between threads, a robust one between processes); `guarded` takes it. It is held for a few instructions,
/// never while waiting.
class guard {
 public:
  virtual void lock() = 0;
  virtual void unlock() = 0;

 protected:
  ~guard() = default;
};

/// Holds a guard, if there is one, while it lives.
class guarded {
 public:
  explicit guarded(guard* g) : guard_(g) {
    if (guard_ != nullptr) guard_->lock();
  }
  ~guarded() {
    if (guard_ != nullptr) guard_->unlock();
  }
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

 private:
  guard* guard_;
};

class limiter {
 public:
  /// count tokens in `per`, of which `burst` may be taken at once after a pause. Each argument is at least 1.
  limiter(index count, nanos per, index burst);

  /// How many tokens may be taken now.
  [[nodiscard]] index available(nanos now) const;
  /// When a token will be there, if nobody takes one before; `now` if one is there. `never` if paused for ever.
  [[nodiscard]] nanos ready_at(nanos now) const { return std::max({now, paused_, tat_ - slack_}); }
  /// Takes n <= available(now) tokens.
  void take(nanos now, index n);
  /// Takes what is there, at most n, and says how many: one question and one answer under one lock.
  index take_up_to(nanos now, index n);
  /// No token before t: a server that asks one caller to wait slows everybody.
  void pause_until(nanos t) { paused_ = std::max(paused_, t); }

 private:
  nanos period_;   ///< between two tokens, rounded up
  nanos slack_;    ///< how far ahead of the even pace a burst may run
  nanos tat_ = 0;  ///< the "theoretical arrival time": when the tokens taken so far would have arrived at the even pace
  nanos paused_ = 0;
};

}  // namespace centimane::policy
