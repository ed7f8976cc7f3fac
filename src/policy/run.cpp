#include "policy/run.hpp"

#include <algorithm>

namespace centimane::policy {
namespace {

rules sane(rules r) {
  r.window = std::max<index>(r.window, 1);  // a window of none would never start anything
  r.attempts = std::max<std::uint32_t>(r.attempts, 1);
  return r;
}

retry_rules retries(const rules& r) {
  return {r.attempts, r.backoff, r.max_delay, r.max_server_wait, r.jitter, r.seed};
}

action wait_until(nanos t) {
  action a{action::wait};
  a.until = t;
  return a;
}

}  // namespace

run::run(const rules& r)
    : rules_(sane(r)),
      schedule_(retries(rules_)),
      ordered_(r.stream && r.ordered),
      sized_(r.total.has_value()),
      known_(r.total.value_or(0)) {}

// ---- events

void run::arrived(index n, std::uint64_t bytes) {
  if (finished_) return;
  pulling_ = false;
  known_ += n;
  bytes_ += bytes;
  arrived_bytes_ += bytes;
}

void run::source_ended(bool failed) {
  if (finished_) return;
  pulling_ = false;
  sized_ = true;
  if (failed) halt(status::source_failed, false);
}

void run::recorded(index first, index n, std::uint64_t bytes) {
  if (finished_ || n == 0) return;
  assert(first >= next_ && first + n <= known_);
  assert(recorded_.empty() || first >= recorded_.back().first + recorded_.back().count);
  recorded_.push_back({first, n});
  if (rules_.stream) {
    bytes_ += bytes;
    arrived_bytes_ += bytes;  // what is read next may bring as much
    return;
  }
  settled_ += n;
  skipped_ += n;
  if (bytes_ > 0) release_share(n);
}

bool run::ended(index item, std::uint32_t attempt, outcome how, bool retryable, nanos server_wait, nanos now) {
  assert(running_ > 0 && how != outcome::value);
  --running_;
  if (server_wait > 0) pause_limiter(later(now, schedule_.honoured(server_wait)));
  const bool no_attempt = how == outcome::unsent || how == outcome::cancelled;
  if (!halted_) {
    if (how == outcome::unsent) {
      again_.push({now, item, attempt});
      return false;
    }
    if (retryable && !no_attempt) {
      if (auto wait = schedule_.wait_after(attempt, server_wait)) {
        held_until_ = later(now, *wait);
        again_.push({held_until_, item, attempt + 1});
        return false;
      }
    }
  }
  // What is taken back before a second try has the error of its first.
  const bool has_error = !no_attempt || (how == outcome::unsent && attempt > 1);
  ++(has_error ? failed_ : cancelled_);
  settle(item, 1, 0);
  // The last item's error counts as well: whether a run is aborted must not depend on the order of the ends.
  if (rules_.max_errors && failed_ > *rules_.max_errors) halt(status::aborted, false);
  return true;
}

void run::stop(bool hard) {
  if (!all_settled()) halt(status::stopped, hard);
}

/// The first reason stands; a harder word later (a stop, then the deadline) is passed on once.
void run::halt(status why, bool hard) {
  if (!halted_) {
    halted_ = recall_ = true;
    status_ = why;
    hard_ = hard;
  } else if (hard && !hard_) {
    hard_ = recall_ = true;
  }
}

void run::pause_limiter(nanos until) {
  if (rules_.limit == nullptr) return;
  rules_.limit->pause_until(until);
}

// ---- what next

action run::next(nanos now, index room, further more) {
  if (finished_) return finish();
  // A consumer that reads on after the deadline does not make a finished run late.
  if (now >= rules_.deadline && !all_settled()) halt(status::timed_out, true);
  if (!recorded_.empty() && !halted_) admit_recorded();
  if (rules_.stream) {
    if (const stretch s = take_emit(); s.count > 0) return {action::emit, s.first, s.count};
  }
  if (halted_) return next_halted();
  if (all_settled()) return unread_ == 0 ? finish() : wait_until(never);

  nanos until = rules_.deadline;
  // What has been admitted goes before what is new, or a window full of retries would never empty.
  if (!again_.empty()) {
    if (again_.top().due > now) {
      until = std::min(until, again_.top().due);
    } else if (take_tokens(now, std::min<index>(room, 1), until) == 1) {
      return start_retry(false);
    } else if (drawable(now, more) > 0) {
      return start_retry(true);
    }
  }
  if (const index n = take_tokens(now, startable(room), until); n > 0) return start_new(n, false);
  if (const index n = startable(drawable(now, more)); n > 0) return start_new(n, true);
  if (const index n = pull_size(); n > 0) {
    pulling_ = true;
    return {action::pull, 0, n};
  }
  return wait_until(until);
}

action run::next_halted() {
  if (recall_) {
    recall_ = false;
    if (running_ > 0) {
      action a{action::recall};
      a.hard = hard_;
      return a;
    }
  }
  if (!again_.empty()) {
    const waiting w = again_.top();
    again_.pop();
    ++(w.attempt > 1 ? failed_ : cancelled_);
    settle(w.item, 1, 0);
    return {action::give_up, w.item, 1, w.attempt};
  }
  if (running_ == 0) return unread_ == 0 ? finish() : wait_until(never);
  return wait_until(hard_ ? never : rules_.deadline);
}

action run::finish() {
  finished_ = true;
  action a{action::finish};
  a.end = status_;
  return a;
}

action run::start_retry(bool draws) {
  const waiting w = again_.top();
  again_.pop();
  ++running_;
  action a{action::start, w.item, 1, w.attempt};
  a.draws = draws;
  return a;
}

action run::start_new(index n, bool draws) {
  action a{action::start, next_, n};
  a.draws = draws;
  next_ += n;
  open_ += n;
  running_ += n;
  return a;
}

stretch run::take_emit() {
  const stretch s = ordered_ ? in_order_.take() : loose_.take();
  unread_ += s.count;
  return s;
}

/// Takes what the checkpoint knows out of the way of the next start.
void run::admit_recorded() {
  while (!recorded_.empty() && recorded_.front().first == next_) {
    stretch& front = recorded_.front();
    const index n = rules_.stream ? std::min(front.count, admissible()) : front.count;
    if (n == 0) return;
    next_ += n;
    if (rules_.stream) {
      open_ += n;
      settle(front.first, n, 0);
    } else {
      skipped_ -= n;
    }
    front.first += n;
    front.count -= n;
    if (front.count == 0) recorded_.pop_front();
  }
}

// ---- how much

/// How many items the window lets in. When the bytes in it are too many, one, if it is empty: waiting would not make it
/// smaller.
index run::admissible() const {
  const index by_count = open_ >= rules_.window ? 0 : rules_.window - open_;
  if (rules_.window_bytes == UINT64_MAX) return by_count;
  const index alone = open_ == 0 ? 1 : 0;
  if (bytes_ >= rules_.window_bytes) return alone;
  if (!rules_.stream) return by_count;
  const index fit = outcomes_that_fit();
  const index under_way = next_ - settled_;
  if (fit <= under_way) return alone;
  return std::min(by_count, fit - under_way);
}

/// How many outcomes what is left of a stream's bytes will hold, by the average of those that have come.
index run::outcomes_that_fit() const {
  if (weighed_ == 0) return unweighed;
  const std::uint64_t average = weighed_bytes_ / weighed_;
  return average == 0 ? UINT64_MAX : (rules_.window_bytes - bytes_) / average;
}

/// How many new items may start, tokens aside.
index run::startable(index room) const {
  const index stock = (recorded_.empty() ? known_ : recorded_.front().first) - next_;
  return std::min({stock, admissible(), room});
}

/// How many items to ask the source for, 0 for none now. A stock is filled up in quarters of the window, so that a
/// source is not asked for one item each time that one settles.
index run::pull_size() const {
  if (sized_ || pulling_) return 0;
  const index stock = not_started();
  const index room = admissible();
  if (room <= stock) return 0;
  const index lack = room - stock;
  if (stock > 0 && lack < rules_.window / 4) return 0;
  if (rules_.window_bytes == UINT64_MAX) return lack;
  // Sizes are known when it is too late: the first item is the sample, and then the average decides.
  if (known_ == 0) return 1;
  const std::uint64_t average = arrived_bytes_ / known_;
  if (average == 0) return lack;
  const std::uint64_t left = rules_.window_bytes > bytes_ ? rules_.window_bytes - bytes_ : 0;
  return std::clamp<index>(left / average, 1, lack);
}

/// Takes n settled items out of a map's bytes: their share, and with the last item all that is left.
void run::release_share(index n) {
  const index left = known_ - settled_;
  bytes_ = left == 0 ? 0 : bytes_ - bytes_ / (left + n) * n;
}

/// Takes up to `wanted` tokens. If there is none, `until` becomes no later than the moment when there will be one.
index run::take_tokens(nanos now, index wanted, nanos& until) {
  if (wanted == 0 || rules_.limit == nullptr) return wanted;
  const index n = rules_.limit->take_up_to(now, wanted);
  if (n == 0) until = std::min(until, rules_.limit->ready_at(now));
  return n;
}

/// How many more items may wait for a hand and draw their own tokens. More than will find one would only come back; so
/// would all, if the first has none that is worth waiting for in its place.
index run::drawable(nanos now, further more) const {
  if (more.room == 0 || rules_.limit == nullptr) return 0;
  if (rules_.limit->ready_at(now) > later(now, rules_.draw_patience)) return 0;
  const index expected = rules_.limit->expected(now, rules_.draw_ahead);
  return expected > more.waiting ? std::min(more.room, expected - more.waiting) : 0;
}

}  // namespace centimane::policy
