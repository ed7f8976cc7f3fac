#include "run_world.hpp"

#include <algorithm>

namespace simulation {
namespace {

/// More than any history takes: one that gets here does not end.
constexpr unsigned endless = 300'000;

nanos ticks(std::uint64_t n) { return static_cast<nanos>(n); }

}  // namespace

// ---- what kind of history

void run_world::throw_rules() {
  rules_ = {};
  throw_source();
  rules_.stream = dice_.one_in(2);
  rules_.ordered = dice_.one_in(2);
  rules_.attempts = static_cast<std::uint32_t>(1 + dice_(4));
  rules_.backoff = ticks(dice_.one_in(3) ? 0 : dice_(50));
  rules_.max_delay = dice_.one_in(4) ? ticks(1 + dice_(60)) : 200;
  rules_.jitter = dice_.one_in(2);
  rules_.seed = dice_(1000);
  if (dice_.one_in(3)) rules_.max_server_wait = ticks(dice_(60));
  if (dice_.one_in(4)) rules_.deadline = ticks(dice_(dice_.one_in(2) ? 60 : 800));
  if (dice_.one_in(4)) rules_.max_errors = dice_(4);
  throw_limiter();
}

void run_world::throw_source() {
  const bool large = dice_.one_in(64);  // large enough for whole words of what overtakes
  const index n = large ? 100 + dice_(400) : dice_.one_in(8) ? dice_(50) : dice_(12);
  source_left_ = 0;
  if (dice_.one_in(2)) {
    rules_.total = n;
  } else {
    source_left_ = n;
  }
  rules_.window = large ? 1 + dice_(500) : 1 + dice_(dice_.one_in(2) ? 4 : 30);
  hands_there_ = large ? 1 + dice_(300) : 1 + dice_(8);
  fault_ = large ? 40 : 2 + dice_(12);
  slowness_ = dice_(3);
  restless_ = dice_.one_in(4);
  source_breaks_ = dice_.one_in(12);
  checkpoint_ = dice_.one_in(4) ? 1 + dice_(4) : 0;
  item_bytes_ = dice_.one_in(3) ? 1 + dice_(100) : 0;
  uneven_ = dice_.one_in(2);
  if (item_bytes_ > 0 && dice_.one_in(2)) {
    rules_.window_bytes = 1 + dice_(300);
    hands_there_ += dice_(12);  // more than a stream lets go ahead before it knows what an outcome holds
  }
}

void run_world::throw_limiter() {
  limiter_.reset();
  model_.tokens().reset();
  shared_ = pushes_back_ = false;
  may_wait_ = 0;
  if (!dice_.one_in(3)) return;
  const index count = 1 + dice_(5);
  const nanos per = ticks(1 + dice_(dice_.one_in(2) ? 20 : 100));
  const index burst = 1 + dice_(3);
  limiter_.emplace(count, per, burst);
  model_.tokens().reset(count, per, burst);
  rules_.limit = &*limiter_;
  shared_ = dice_.one_in(2);
  if (shared_) rules_.limit = this;
  pushes_back_ = dice_.one_in(4);
  if (pushes_back_) fault_ = 2;
  rules_.draw_ahead = ticks(dice_(40));
  rules_.draw_patience = ticks(dice_(6));
  if (dice_.one_in(2)) may_wait_ = 1 + dice_(8);
}

index run_world::take_up_to(nanos now, index wanted) {
  CHECK(now == now_);
  meter& given = model_.tokens();
  if (dice_.one_in(6) && given.available(now_) > 0) {
    seen_.met(met_in_run::token_stolen);
    const index n = 1 + dice_(given.available(now_));
    CHECK(limiter_->take_up_to(now_, n) == n);
    given.take(now_, n);
  }
  return limiter_->take_up_to(now, wanted);
}

/// What the checkpoint knows of the items from `first` on.
void run_world::record_some(index first, run& m) {
  if (checkpoint_ == 0) return;
  for (index i = first; i < model_.known();) {
    const index n = std::min(model_.known() - i, 1 + dice_(4));
    if (dice_(4) < checkpoint_ - (checkpoint_ == 4 ? 1 : 0)) {
      std::uint64_t bytes = 0;
      for (index k = i; k < i + n; ++k) {
        const std::uint64_t size = rules_.stream && item_bytes_ > 0 ? dice_(40) : 0;
        model_.is_recorded(k, size);
        bytes += size;
      }
      m.recorded(i, n, bytes);
    }
    i += n;
  }
}

// ---- the driver's round

void run_world::history(std::uint64_t seed) {
  current_seed = seed;
  dice_ = dice(seed);
  now_ = 0;
  hands_.clear();
  throw_rules();
  model_.reset(rules_);
  hand_of_.resize(std::max(hand_of_.size(), static_cast<std::size_t>(model_.known() + source_left_)));
  run m(rules_);
  record_some(0, m);
  for (unsigned step = 0;; ++step) {
    CHECK(step < endless);
    const index room = offer();
    const further more = lets_wait();
    model_.looks(now_, m);
    const action a = m.next(now_, room, more);
    if (carry_out(a, room, more, m)) return after_finish(a, m);
  }
}

/// Room is the executor's to offer: it may have hands and keep them for another run.
index run_world::offer() {
  const index free = hands_there_ - std::min<index>(hands_there_, hands_.size());
  if (free == 0 || !dice_.one_in(8)) return free;
  seen_.met(met_in_run::room_withheld);
  return dice_(free);
}

further run_world::lets_wait() const {
  const auto waiting = std::count_if(hands_.begin(), hands_.end(), [](const task& t) { return t.draws && !t.begun; });
  const index most = may_wait_ == 0 ? 0 : hands_there_ + may_wait_;
  return {most - std::min<index>(most, hands_.size()), static_cast<index>(waiting)};
}

bool run_world::carry_out(const action& a, index room, further more, run& m) {
  switch (a.what) {
    case action::pull:
      model_.check_pull(a, now_, room, more, m);
      asked_ = a.count;
      if (dice_.one_in(2)) answer_pull(m);
      break;
    case action::start:
      model_.check_start(a, now_, room, more);
      start(a);
      break;
    case action::give_up:
      model_.check_give_up(a);
      break;
    case action::emit:
      model_.check_emit(a);
      break;
    case action::recall:
      model_.check_recall(a);
      take_back(a.hard, m);
      break;
    case action::wait:
      model_.check_wait(a, now_, room, more, m);
      something_happens(a.until, m);
      return false;
    case action::finish:
      model_.check_finish(a, m);
      return true;
  }
  // A callback stops, an outcome comes in, time passes: between any two questions.
  if (restless_ && dice_.one_in(4)) happens(dice_(16), m);
  return false;
}

void run_world::start(const action& a) {
  for (index i = a.first; i < a.first + a.count; ++i) {
    hand_of_[i] = hands_.size();
    hands_.push_back({i, a.attempt, !a.draws && dice_.one_in(2), a.draws});
  }
}

/// True if it has begun: what draws, draws now.
bool run_world::begins(std::size_t hand) {
  task& t = hands_[hand];
  if (!t.draws || t.begun) return true;
  if (rules_.limit->take_up_to(now_, 1) == 0) {
    const nanos until = rules_.limit->ready_at(now_);
    if (until > now_ + rules_.draw_patience) return false;
    now_ = until;  // it waits in its place, maybe for a token that another takes
    if (rules_.limit->take_up_to(now_, 1) == 0) return false;
  }
  model_.tokens().take(now_, 1);
  seen_.met(met_in_run::drew_its_token);
  return t.begun = true;
}

/// One has found no token: what waits as it did comes back, or some of it.
void run_world::give_back_drawing(run& m) {
  seen_.met(met_in_run::found_no_token);
  for (std::size_t k = hands_.size(); k-- > 0;) {
    if (hands_[k].draws && !hands_[k].begun && !dice_.one_in(8)) end_otherwise(k, outcome::unsent, m);
  }
}

/// The executor takes back what has not begun; some of it begins in that moment.
void run_world::take_back(bool hard, run& m) {
  for (std::size_t k = hands_.size(); k-- > 0;) {
    if (!hands_[k].begun && (!dice_.one_in(8) || !begins(k))) {
      end_otherwise(k, outcome::unsent, m);
    } else if (hard && dice_.one_in(2)) {
      end_otherwise(k, outcome::cancelled, m);
    } else {
      hands_[k].begun = true;
    }
  }
}

// ---- what happens while the driver waits

void run_world::something_happens(nanos until, run& m) {
  const bool sleeps_through =
      until != never && until > now_ && (dice_(8) < slowness_ || hands_.empty()) && dice_.one_in(2);
  if (sleeps_through) {
    now_ = until - (dice_.one_in(8) ? 1 : 0) + (dice_.one_in(4) ? ticks(dice_(10)) : 0);
    return;
  }
  if (happens(dice_(16), m)) return;
  if (!hands_.empty()) return an_attempt_ends(m);
  if (model_.pulling() && !model_.halted()) return answer_pull(m);
  if (model_.unread() > 0) return read_some(m);
  if (until != never) {
    now_ = std::max(now_, until);
    return;
  }
  // Nothing runs, nothing is asked for, nobody reads, no time is named: only room that was withheld may still come.
  CHECK(!model_.halted() && offer() <= hands_there_);
  ++now_;
}

bool run_world::happens(std::uint64_t which, run& m) {
  switch (which) {
    case 0:
    case 1:
      if (!model_.pulling()) return false;
      answer_pull(m);
      return true;
    case 2:
      if (!dice_.one_in(12)) return false;
      stop(m);
      return true;
    case 3:
    case 4:
      if (model_.unread() == 0) return false;
      read_some(m);
      return true;
    case 5:
      now_ += ticks(dice_(20));
      return true;
    case 6:
      if (hands_.empty() || !dice_.one_in(2)) return false;
      if (const std::size_t k = dice_(hands_.size()); !hands_[k].begun) {
        end_otherwise(k, outcome::unsent, m);  // an engine that lost it before it began
        return true;
      }
      return false;
    case 7:
      if (hands_.empty()) return false;
      if (!begins(dice_(hands_.size()))) give_back_drawing(m);
      return true;
    default:
      if (hands_.empty()) return false;
      an_attempt_ends(m);
      return true;
  }
}

void run_world::answer_pull(run& m) {
  const index first = model_.known();
  const index n = std::min(dice_.one_in(4) ? dice_(asked_ + 1) : asked_, source_left_);
  source_left_ -= n;
  std::uint64_t bytes = 0;
  for (index i = 0; i < n; ++i) {
    const std::uint64_t size = item_bytes_ == 0 ? 0 : uneven_ ? dice_(2 * item_bytes_) : item_bytes_;
    model_.arrives(size);
    bytes += size;
  }
  seen_.met_if(n == 0, met_in_run::pull_brought_nothing);
  // An end may come with the last items or by a pull of its own.
  const bool ends = source_left_ == 0 ? dice_.one_in(2) : source_breaks_ && dice_.one_in(4);
  const bool fails = ends && source_breaks_;
  m.arrived(n, bytes);
  record_some(first, m);
  if (ends) m.source_ended(fails);
  model_.source_answers(ends, fails);
}

void run_world::read_some(run& m) {
  const index n = dice_.one_in(2) ? 1 : 1 + dice_(model_.unread());
  std::uint64_t bytes = 0;
  for (index k = 0; k < n; ++k) bytes += model_.reads_next();
  m.consumed(n, bytes);
}

void run_world::stop(run& m) {
  const bool hard = dice_.one_in(4);
  model_.stops(hard);
  m.stop(hard);
}

void run_world::an_attempt_ends(run& m) {
  const std::size_t k = dice_(hands_.size());
  if (!begins(k)) return give_back_drawing(m);
  if (!dice_.one_in(fault_)) return end_values(k, m);
  constexpr outcome ways[] = {outcome::error,    outcome::error,    outcome::died,     outcome::died,
                              outcome::overtime, outcome::overtime, outcome::cancelled};
  end_otherwise(k, ways[dice_(std::size(ways))], m);
}

/// A value, and often those of its neighbours with it, as one range.
void run_world::end_values(std::size_t hand, run& m) {
  const index first = hands_[hand].item;
  const index most = dice_.one_in(2) ? 1 : 1 + dice_(200);
  std::uint64_t bytes = 0;
  index n = 0;
  do {
    const index i = first + n++;
    const std::uint64_t size = rules_.stream && item_bytes_ > 0 ? dice_(40) : 0;
    let_go(hand_of_[i]);
    seen_.met_if(rules_.stream && rules_.ordered && i > model_.oldest_open() + 64, met_in_run::overtaken_by_64);
    model_.succeeds(i, size);
    bytes += size;
  } while (n < most && first + n < model_.known() && model_.at(first + n).at == run_model::entry::live &&
           begins(hand_of_[first + n]));
  seen_.met_if(n > 1, met_in_run::range_ended_at_once);
  m.succeeded(first, n, bytes);
}

void run_world::end_otherwise(std::size_t hand, outcome how, run& m) {
  const task t = hands_[hand];
  let_go(hand);
  const bool retryable = !dice_.one_in(3);
  const bool told = how == outcome::error && (pushes_back_ || dice_.one_in(4));
  const nanos server_wait = told ? ticks(dice_(dice_.one_in(2) ? 100 : 10)) : 0;
  const bool settles = model_.ends(t.item, t.attempt, how, retryable, server_wait, now_);
  CHECK(m.ended(t.item, t.attempt, how, retryable, server_wait, now_) == settles);
}

void run_world::let_go(std::size_t hand) {
  hands_[hand] = hands_.back();
  hand_of_[hands_[hand].item] = hand;
  hands_.pop_back();
}

/// Whoever is late finds the door shut.
void run_world::after_finish(const action& end, run& m) {
  if (dice_.one_in(2)) {
    seen_.met_if(model_.pulling(), met_in_run::answer_after_finish);
    m.arrived(dice_(20), 7);
    m.recorded(model_.known(), dice_(3));
    if (dice_.one_in(2)) m.source_ended(dice_.one_in(2));
  }
  if (dice_.one_in(4)) {
    seen_.met(met_in_run::stop_after_finish);
    m.stop(dice_.one_in(2));
  }
  for (const nanos later : {now_, now_ + 1000}) {
    const action again = m.next(later, hands_there_);
    CHECK(again.what == action::finish && again.end == end.end);
  }
  model_.check_totals(m);
}

}  // namespace simulation
