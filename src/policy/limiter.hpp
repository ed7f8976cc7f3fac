// limiter: how many attempts may start in a span of time (GCRA, the "leaky bucket as a meter": two words of state, no
// timer). Pure: no clock, no lock. `pace` is its arithmetic, for whoever keeps the two words elsewhere (run/budget).
//
// Promise: in any half-open span of `per`, at most count + burst - 1 tokens are given. All arithmetic rounds so that a
// token is given late rather than early, and a word of time that is older than another's makes it later still: so it
// holds as well for several who draw from one state, each with its own look at the clock.
#pragma once
#include <algorithm>

#include "centimane/detail/words.hpp"

namespace centimane::policy {

/// Where a run takes its tokens: a limiter of its own, or one that others draw from at the same time.
class tokens {
 public:
  /// Takes what is there, at most n, and says how many: one question and one answer, whoever else asks meanwhile.
  virtual index take_up_to(nanos now, index n) = 0;
  /// How many of those that ask between now and `ahead` later will find one, if nobody else takes any. 0 in a pause.
  [[nodiscard]] virtual index expected(nanos now, nanos ahead) const = 0;
  /// When a token will be there, if nobody takes one before; `now` if one is there. `never` if paused for ever.
  [[nodiscard]] virtual nanos ready_at(nanos now) const = 0;
  /// No token before t: a server that asks one caller to wait slows everybody. The longest pause holds.
  virtual void pause_until(nanos t) = 0;

 protected:
  ~tokens() = default;
};

/// A limiter's rate. `tat`, its state, is the "theoretical arrival time": when the tokens taken so far would have
/// arrived at the even pace. It only ever grows.
class pace {
 public:
  /// count tokens in `per`, of which `burst` may be taken at once after a pause. Each argument is at least 1.
  pace(index count, nanos per, index burst);

  /// How many tokens are there.
  [[nodiscard]] index available(nanos now, nanos tat) const { return expected(now, tat, 0); }
  /// The same with those that come within `ahead`.
  [[nodiscard]] index expected(nanos now, nanos tat, nanos ahead) const {
    const nanos lead = std::max(tat, now) - now, most = later(slack_, ahead);
    return lead > most ? 0 : static_cast<index>((most - lead) / period_ + 1);
  }
  /// When there is one.
  [[nodiscard]] nanos ready_at(nanos tat) const { return tat - slack_; }
  /// The state after n of them were taken, n >= 1.
  [[nodiscard]] nanos taken(nanos now, nanos tat, index n) const {
    return later(std::max(tat, now), period_ * static_cast<nanos>(n));
  }

 private:
  nanos period_;  ///< between two tokens, rounded up
  nanos slack_;   ///< how far ahead of the even pace a burst may run
};

class limiter final : public tokens {
 public:
  /// As pace has it.
  limiter(index count, nanos per, index burst) : pace_(count, per, burst) {}

  /// How many tokens may be taken now.
  [[nodiscard]] index available(nanos now) const { return now < paused_ ? 0 : pace_.available(now, tat_); }
  [[nodiscard]] nanos ready_at(nanos now) const override { return std::max({now, paused_, pace_.ready_at(tat_)}); }
  /// Takes n <= available(now) tokens.
  void take(nanos now, index n);
  index take_up_to(nanos now, index n) override;
  [[nodiscard]] index expected(nanos now, nanos ahead) const override {
    return now < paused_ ? 0 : pace_.expected(now, tat_, ahead);
  }
  void pause_until(nanos t) override { paused_ = std::max(paused_, t); }

 private:
  pace pace_;
  nanos tat_ = 0;
  nanos paused_ = 0;
};

}  // namespace centimane::policy
