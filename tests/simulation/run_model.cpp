#include "run_model.hpp"

#include <algorithm>

namespace simulation {

// ---- the limiter

void meter::reset(index count, nanos per, index burst) {
  on_ = true;
  most_ = count + burst - 1;
  burst_ = burst;
  per_ = per;
  period_ = (per + static_cast<nanos>(count) - 1) / static_cast<nanos>(count);
  even_ = paused_ = 0;
  given_.clear();
}

index meter::available(nanos now) const {
  if (now < paused_) return 0;
  index n = 0;
  for (nanos even = std::max(even_, now); n < burst_ && even - now <= period_ * static_cast<nanos>(burst_ - 1); ++n)
    even += period_;
  return n;
}

index meter::expected(nanos now, nanos ahead) const {
  if (now < paused_) return 0;
  index n = 0;
  for (nanos even = std::max(even_, now); even - now <= period_ * static_cast<nanos>(burst_ - 1) + ahead; ++n)
    even += period_;
  return n;
}

nanos meter::ready_at(nanos now) const {
  return std::max({now, paused_, even_ - period_ * static_cast<nanos>(burst_ - 1)});
}

void meter::take(nanos now, index n) {
  CHECK(now >= paused_);
  for (; n > 0; --n) {
    given_.push_back(now);
    even_ = std::max(even_, now) + period_;
    CHECK(given_.size() <= most_ || given_[given_.size() - 1 - most_] <= now - per_);
  }
}

// ---- events

void run_model::reset(const rules& r) {
  rules_ = r;
  items_.clear();
  items_.resize(r.total.value_or(0));
  waiting_.clear();
  settled_in_order_.clear();
  emitted_.clear();
  next_ = open_ = live_ = settled_ = failed_ = cancelled_ = read_ = recorded_ahead_ = 0;
  in_bytes_ = held_ = out_bytes_ = 0;
  values_ = 0;
  source_done_ = r.total.has_value();
  uniform_ = true;
  pulling_ = halted_ = hard_ = recall_due_ = recalled_ = false;
  why_ = status::completed;
}

void run_model::arrives(std::uint64_t bytes) {
  uniform_ = uniform_ && (items_.empty() || items_.front().in == bytes);
  items_.push_back({});
  items_.back().in = bytes;
  in_bytes_ += bytes;
  held_ += bytes;
}

void run_model::is_recorded(index i, std::uint64_t bytes) {
  CHECK(items_[i].at == entry::fresh);
  seen_.met_if(i > next_, met_in_run::recorded_ahead_of_start);
  items_[i].at = entry::recorded;
  ++recorded_ahead_;
  if (!rules_.stream) {
    ++settled_;
    held_ -= items_[i].in;
  } else {
    items_[i].out = bytes;
    in_bytes_ += bytes;
    held_ += bytes;
  }
}

void run_model::source_answers(bool ended, bool failed) {
  CHECK(pulling_);
  pulling_ = false;
  source_done_ = ended;
  if (failed) halt(status::source_failed, false);
}

void run_model::settle(index i) {
  entry& e = items_[i];
  CHECK(e.at == entry::live || e.at == entry::waiting || e.at == entry::recorded);
  e.at = entry::settled;
  ++settled_;
  if (rules_.stream) {
    if (!rules_.ordered) settled_in_order_.push_back(i);
  } else {
    --open_;
    held_ -= e.in;
  }
}

void run_model::succeeds(index i, std::uint64_t bytes) {
  CHECK(items_[i].at == entry::live);
  --live_;
  ++items_[i].tries;
  settle(i);
  items_[i].out = bytes;
  held_ += bytes;
  out_bytes_ += bytes;
  ++values_;
}

bool run_model::ends(index i, std::uint32_t attempt, outcome how, bool retryable, nanos server_wait, nanos now) {
  entry& e = items_[i];
  CHECK(e.at == entry::live && attempt == e.tries + 1);
  --live_;
  if (server_wait > 0 && meter_.on()) {
    const nanos until = now + std::min(server_wait, rules_.max_server_wait);
    seen_.met(met_in_run::limiter_paused);
    seen_.met_if(until < meter_.ready_at(now), met_in_run::limiter_paused_for_less);
    meter_.pause_until(until);
  }
  const bool failed = how == outcome::error || how == outcome::died || how == outcome::overtime;
  if (how != outcome::unsent) ++e.tries;
  if (!halted_ && how == outcome::unsent) {
    seen_.met(met_in_run::resent_before_halt);
    e.at = entry::waiting;
    e.due_from = e.due_to = now;
    waiting_.push_back(i);
    return false;
  }
  if (!halted_ && failed && retryable && attempt < rules_.attempts) {
    seen_.met(met_in_run::retried);
    wait_for_retry(i, attempt, server_wait, now);
    return false;
  }
  seen_.met_if(failed && !retryable && attempt < rules_.attempts, met_in_run::retry_not_named);
  seen_.met_if(failed && retryable && attempt == rules_.attempts && attempt > 1, met_in_run::attempts_used_up);
  seen_.met_if(how == outcome::unsent && attempt > 1, met_in_run::taken_back_with_error);
  seen_.met_if(how == outcome::unsent && attempt == 1, met_in_run::taken_back_fresh);
  if (failed || (how == outcome::unsent && e.tries > 0)) {
    ++failed_;
  } else {
    ++cancelled_;
  }
  settle(i);
  if (rules_.max_errors && failed_ > *rules_.max_errors) {
    seen_.met_if(!halted_ && all_settled(), met_in_run::last_item_aborts);
    halt(status::aborted, false);
  }
  return true;
}

void run_model::wait_for_retry(index i, std::uint32_t attempt, nanos server_wait, nanos now) {
  nanos delay = rules_.backoff;
  for (std::uint32_t k = 1; k < attempt && delay < rules_.max_delay; ++k) delay *= 2;
  delay = std::min(delay, rules_.max_delay);
  const nanos server = std::min(server_wait, rules_.max_server_wait);
  seen_.met_if(server > delay, met_in_run::server_wait_followed);
  seen_.met_if(server < server_wait, met_in_run::server_wait_cut);
  entry& e = items_[i];
  e.at = entry::waiting;
  e.due_from = now + std::max(rules_.jitter ? delay - delay / 2 : delay, server);
  e.due_to = now + std::max(delay, server);
  waiting_.push_back(i);
}

std::uint64_t run_model::reads_next() {
  CHECK(unread() > 0);
  const entry& e = items_[emitted_[read_++]];
  --open_;
  held_ -= e.in + e.out;
  return e.in + e.out;
}

void run_model::stops(bool hard) {
  seen_.met_if(!halted_ && all_settled(), met_in_run::stop_after_all_settled);
  seen_.met_if(!halted_ && pulling_, met_in_run::stop_with_pull_out);
  if (!all_settled()) halt(status::stopped, hard);
}

void run_model::halt(status why, bool hard) {
  seen_.met_if(!halted_ && live_ == 0, met_in_run::nothing_to_recall);
  seen_.met_if(!halted_ && recorded_ahead_ > 0 && rules_.stream, met_in_run::recorded_left_by_halt);
  if (!halted_) {
    halted_ = recall_due_ = true;
    hard_ = hard;
    why_ = why;
  } else if (hard && !hard_) {
    hard_ = recall_due_ = true;
  }
}

void run_model::looks(nanos now, const run& m) {
  if (now >= rules_.deadline) {
    seen_.met_if(now == rules_.deadline && !all_settled(), met_in_run::deadline_to_the_tick);
    seen_.met_if(!halted_ && all_settled() && rules_.stream, met_in_run::deadline_after_all_settled);
    if (!all_settled()) halt(status::timed_out, true);
  }
  // A map's items of differing sizes leave by averages: what remains is the machine's own account.
  window_held_ = rules_.stream || uniform_ ? held_ : m.bytes();
  if (halted_) return;
  bool split = false;
  while (next_ < items_.size() && items_[next_].at == entry::recorded) {
    if (rules_.stream) {
      if (admissible() == 0) {
        seen_.met_if(split, met_in_run::recorded_split_by_window);
        return;
      }
      split = true;
      ++open_;
      settle(next_);
    } else {
      items_[next_].at = entry::settled;
    }
    --recorded_ahead_;
    ++next_;
  }
}

// ---- what may be

index run_model::admissible() const {
  if (window_held_ >= rules_.window_bytes) return open_ == 0 ? 1 : 0;
  index n = open_ >= rules_.window ? 0 : rules_.window - open_;
  if (!rules_.stream || rules_.window_bytes == UINT64_MAX) return n;
  while (n > 0 && !outcomes_fit(n)) --n;
  return open_ == 0 ? std::max<index>(n, 1) : n;
}

/// Would a stream's window of bytes hold the outcomes of all that is under way, and of so many more?
bool run_model::outcomes_fit(index more) const {
  if (values_ == 0) return under_way() + more <= 8;
  return held_ + (under_way() + more) * (out_bytes_ / values_) <= rules_.window_bytes;
}

/// Arrived items that only wait for room.
index run_model::stock() const { return items_.size() - next_ - (rules_.stream ? 0 : recorded_ahead_); }

bool run_model::retry_due(nanos now) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](index i) { return items_[i].due_to <= now; });
}

/// True if a hand was offered that could have had work.
bool run_model::idle_hands(nanos now, index room, further more) const {
  const bool free = room > 0 && (!meter_.on() || meter_.available(now) > 0);
  if (halted_ || (!free && drawable(now, more) == 0)) return false;
  return new_ready() || retry_due(now);
}

/// How many more may wait for a hand and surely draw a token.
index run_model::drawable(nanos now, further more) const {
  if (!meter_.on() || meter_.ready_at(now) > now + rules_.draw_patience) return 0;
  const index expected = meter_.expected(now, rules_.draw_ahead);
  return expected > more.waiting ? std::min(more.room, expected - more.waiting) : 0;
}

// ---- answers

void run_model::check_start(const action& a, nanos now, index room, further more) {
  CHECK(!halted_ && now < rules_.deadline);
  CHECK(a.count > 0 && a.count <= (a.draws ? more.room : room) && a.first + a.count <= items_.size());
  seen_.met_if(a.count > 1 && meter_.on(), met_in_run::burst_taken);
  seen_.met_if(pulling_, met_in_run::pull_answered_late);
  if (a.draws) {
    CHECK(a.count <= drawable(now, more));
    seen_.met(met_in_run::left_to_draw);
    seen_.met_if(a.count > 1, met_in_run::left_several_to_draw);
    seen_.met_if(drawable(now, more) < more.room, met_in_run::left_few_to_draw);
    seen_.met_if(meter_.available(now) == 0, met_in_run::left_before_token);
    seen_.met_if(a.attempt > 1, met_in_run::retry_left_to_draw);
  } else if (meter_.on()) {
    CHECK(a.count <= meter_.available(now));
    meter_.take(now, a.count);
  }
  if (items_[a.first].at == entry::waiting) {
    begin_retry(a, now);
  } else {
    CHECK(!retry_due(now));
    begin_new(a);
  }
  for (index i = a.first; i < a.first + a.count; ++i) items_[i].at = entry::live;
  live_ += a.count;
}

void run_model::begin_retry(const action& a, nanos now) {
  const entry& e = items_[a.first];
  CHECK(a.count == 1 && a.attempt == e.tries + 1 && a.attempt <= rules_.attempts);
  CHECK(now >= e.due_from);
  seen_.met_if(new_ready(), met_in_run::retry_and_new_both_due);
  for (const index other : waiting_) CHECK(items_[other].due_to >= e.due_from);  // the earliest goes first
  unlist(a.first);
}

void run_model::begin_new(const action& a) {
  CHECK(a.first == next_ && a.attempt == 1);
  CHECK(a.count <= admissible());
  if (rules_.stream && rules_.window_bytes != UINT64_MAX) {
    seen_.met_if(values_ == 0 && under_way() + a.count == 8, met_in_run::outcomes_unknown);
    seen_.met_if(values_ > 0 && !outcomes_fit(a.count + 1) && open_ + a.count < rules_.window,
                 met_in_run::outcomes_fill_the_bytes);
    seen_.met_if(values_ > 0 && !outcomes_fit(1) && window_held_ < rules_.window_bytes,
                 met_in_run::one_outcome_over_bytes);
  }
  seen_.met_if(window_held_ < rules_.window_bytes && open_ + a.count == rules_.window, met_in_run::window_full);
  seen_.met_if(window_held_ >= rules_.window_bytes, met_in_run::one_item_over_bytes);
  for (index i = a.first; i < a.first + a.count; ++i) CHECK(items_[i].at == entry::fresh);
  next_ += a.count;
  open_ += a.count;
}

void run_model::check_pull(const action& a, nanos now, index room, further more, const run& m) {
  CHECK(!rules_.total && !source_done_ && !pulling_ && !halted_);
  CHECK(a.count > 0 && stock() + a.count <= admissible());
  CHECK(!idle_hands(now, room, more));
  if (rules_.window_bytes != UINT64_MAX) {
    const std::uint64_t average = items_.empty() ? 0 : in_bytes_ / items_.size();
    CHECK(!items_.empty() || a.count == 1);
    CHECK(a.count == 1 || m.bytes() + a.count * average <= rules_.window_bytes);
    seen_.met_if(stock() + a.count < admissible(), met_in_run::pull_cut_by_bytes);
  }
  pulling_ = true;
}

void run_model::check_emit(const action& a) {
  CHECK(rules_.stream && a.count > 0);
  seen_.met_if(a.count > 1, met_in_run::emitted_several);
  seen_.met_if(unread() > 3, met_in_run::consumer_behind);
  for (index i = a.first; i < a.first + a.count; ++i) {
    CHECK(i < items_.size() && items_[i].at == entry::settled && !items_[i].emitted);
    CHECK(i == (rules_.ordered ? emitted_.size() : settled_in_order_[emitted_.size()]));
    items_[i].emitted = true;
    emitted_.push_back(i);
  }
}

void run_model::check_give_up(const action& a) {
  const entry& e = items_[a.first];
  CHECK(halted_ && e.at == entry::waiting && a.attempt == e.tries + 1);
  seen_.met(e.tries > 0 ? met_in_run::gave_up_with_error : met_in_run::gave_up_fresh);
  ++(e.tries > 0 ? failed_ : cancelled_);
  unlist(a.first);
  settle(a.first);
}

void run_model::check_recall(const action& a) {
  CHECK(recall_due_ && live_ > 0 && a.hard == hard_);
  seen_.met(hard_ ? met_in_run::recalled_hard : met_in_run::recalled_softly);
  seen_.met_if(recalled_, met_in_run::recalled_twice);
  recall_due_ = false;
  recalled_ = true;
}

void run_model::check_wait(const action& a, nanos now, index room, further more, const run& m) {
  check_emitted();
  if (halted_) {
    CHECK(!recall_due_ || live_ == 0);
    CHECK(waiting_.empty());
    CHECK(live_ > 0 || unread() > 0);
    CHECK(a.until == (live_ > 0 && !hard_ ? rules_.deadline : never));
  } else if (all_settled()) {
    CHECK(unread() > 0 && a.until == never);
  } else {
    CHECK(!idle_hands(now, room, more));
    const index lack = admissible() > stock() ? admissible() - stock() : 0;
    CHECK(source_done_ || pulling_ || lack == 0 || (stock() > 0 && lack < rules_.window / 4));
    seen_.met_if(!rules_.total && window_held_ >= rules_.window_bytes, met_in_run::bytes_full);
    check_wake(a.until, now, room);
  }
  check_bytes(m);
  check_totals(m);
}

/// The wait ends when something can be done, no later, and no earlier: that would be polling.
void run_model::check_wake(nanos until, nanos now, index room) const {
  CHECK(until > now);
  const bool no_token = meter_.on() && room > 0 && meter_.available(now) == 0;
  const nanos token = no_token ? meter_.ready_at(now) : never;
  bool maybe_due = false;  // jitter hides the moment
  bool surely_due = false;
  nanos due_from = never;  // the next retry that is not due yet
  nanos due_to = never;
  for (const index i : waiting_) {
    const entry& e = items_[i];
    maybe_due = maybe_due || e.due_from <= now;
    surely_due = surely_due || e.due_to <= now;
    if (e.due_to > now) due_from = std::min(due_from, std::max(e.due_from, now + 1));
    due_to = std::min(due_to, e.due_to);
  }
  seen_.met_if(surely_due && !new_ready() && room == 0, met_in_run::retry_due_but_no_room);
  seen_.met_if(no_token && (surely_due || new_ready()), met_in_run::tokens_missing);
  const nanos earliest = std::min(due_from, maybe_due || new_ready() ? token : never);
  nanos latest = surely_due || new_ready() ? token : never;
  // What is due already waits for a token, or for room, which no clock knows; only what is not due waits for its time.
  if (!maybe_due) {
    latest = std::min(latest, due_to);
  } else if (!surely_due && room > 0) {
    latest = std::min(latest, no_token ? std::max(due_to, token) : due_to);
  }
  CHECK(std::min(earliest, rules_.deadline) <= until && until <= std::min(latest, rules_.deadline));
}

void run_model::check_emitted() const {
  if (!rules_.stream) return;
  if (rules_.ordered) {
    CHECK(emitted_.size() == items_.size() || items_[emitted_.size()].at != entry::settled);
  } else {
    CHECK(emitted_.size() == settled_);
  }
}

void run_model::check_bytes(const run& m) const {
  if (rules_.stream || uniform_) {
    CHECK(m.bytes() == held_);
  } else {
    CHECK(m.bytes() <= in_bytes_ && (settled_ < items_.size() || m.bytes() == 0));
  }
}

void run_model::check_totals(const run& m) const {
  CHECK(m.known() == items_.size() && m.settled() == settled_ && m.open() == open_);
  CHECK(m.failed() == failed_ && m.cancelled() == cancelled_);
  CHECK(m.not_started() == stock());
}

void run_model::check_finish(const action& a, const run& m) {
  check_emitted();
  CHECK(live_ == 0 && waiting_.empty() && unread() == 0);
  CHECK(halted_ || all_settled());
  CHECK(a.end == (halted_ ? why_ : status::completed));
  CHECK(settled_ + stock() == items_.size());
  CHECK(rules_.stream ? emitted_.size() == settled_ : open_ == 0);
  check_bytes(m);
  check_totals(m);
  constexpr met_in_run ends[] = {met_in_run::completed, met_in_run::stopped, met_in_run::timed_out, met_in_run::aborted,
                                 met_in_run::source_failed};
  seen_.met(ends[static_cast<std::size_t>(a.end)]);
  seen_.met_if(items_.empty(), met_in_run::no_items);
}

void run_model::unlist(index i) {
  const auto at = std::find(waiting_.begin(), waiting_.end(), i);
  CHECK(at != waiting_.end());
  *at = waiting_.back();
  waiting_.pop_back();
}

}  // namespace simulation
