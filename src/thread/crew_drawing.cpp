// Hands that draw item by item: where starts are limited, where each value is to be recorded as soon as it is there,
// or where the user has asked for chunks of one. An item never waits behind another while a hand is free, each outcome
// can be collected from the moment when it is there, and what a limit counts is drawn by the hand that begins, at that
// moment. What items share is the turn: the face's lock is taken, and the driver woken, once for all that are there.
#include "platform/clock.hpp"
#include "platform/cpu_relax.hpp"
#include "thread/crew_core.hpp"

namespace centimane::engine {

crew_core::drawing::drawing(crew_core& crew, int me, bool briefly, detail::attempt_clock& clock)
    : crew_(crew), me_(me), briefly_(briefly), clock_(clock) {}

bool crew_core::drawing::draw(const verdict* ended, index& item, std::uint32_t& attempt) {
  nanos patient_until = 0;
  for (bool first = true;; first = false) {
    std::atomic<std::uint32_t>* driver = nullptr;
    nanos until = 0;
    {
      const std::lock_guard lock(crew_.mutex_);
      // Not before the lock is there: what draws a token begins now.
      const nanos now = platform::now();
      if (first) {
        if (ended == nullptr)
          began_ = now;
        else
          note(*ended, now);
        patient_until = now + crew_.patience_;
      }
      until = briefly_ && count_ > 0 && now - began_ >= chunk_time ? policy::never : next(now, patient_until);
      if (until == policy::never) crew_.fit_grain(count_, now - began_);
      driver = crew_.signal_driver();
    }
    detail::sleeper::wake(driver);
    if (until == policy::never) return false;
    if (until == 0) break;
    while (platform::now() < until) platform::cpu_relax();
  }
  item = mine_.first;
  attempt = mine_.attempt;
  return true;
}

/// Under the lock, as what follows.
void crew_core::drawing::note(const verdict& how, nanos now) {
  --crew_.busy_;
  ++count_;
  const auto what = crew_.end_clock(me_, clock_, now) ? ended::overtime
                    : how.ok && mine_.attempt == 1    ? ended::values
                                                      : ended::invoked;
  crew_.note({what, me_, mine_.attempt, mine_.first, 1, how, crew_.watched_ ? from_ : 0, crew_.watched_ ? now : 0});
  crew_.tell();
  if (how.server_wait > 0 && crew_.limit_ != nullptr) {
    // The limiter is to be paused, which is the driver's to do: nothing begins before it has heard of it.
    crew_.held_ = true;
    crew_.give_back_drawing();
  }
}

/// Draws the next: 0. Else until when to wait for its token, or `never`: nothing is to be had.
nanos crew_core::drawing::next(nanos now, nanos patient_until) {
  if (!crew_.queue_.empty() && crew_.queue_.front().draws && crew_.limit_->take_up_to(now, 1) == 0) {
    if (const nanos until = crew_.limit_->ready_at(now); until <= patient_until) return until;
    crew_.give_back_drawing();
  }
  if (crew_.queue_.empty()) return policy::never;
  span& front = crew_.queue_.front();
  mine_ = {front.first, 1, front.attempt, front.draws};
  ++front.first;
  if (--front.count == 0) crew_.queue_.pop_front();
  --crew_.queued_;
  if (mine_.draws) --crew_.drawing_;
  ++crew_.busy_;
  from_ = now;
  crew_.begin_clock(me_, clock_, now);
  return 0;
}

}  // namespace centimane::engine
