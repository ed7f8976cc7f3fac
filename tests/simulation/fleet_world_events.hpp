// What happens in the simulated machine of fleet_world.hpp without being ordered.
#pragma once
#include "fleet_world.hpp"

namespace simulation {

inline void fleet_world::submit(const task& t) {
  lot& l = lots_[t.of];
  if (l.in == 0 && machine.pending(t.of) == 0) l.recalled = l.hard = false;
  if (l.facts.size() < t.item + t.count) l.facts.resize(t.item + t.count);
  for (index i = t.item; i < t.item + t.count; ++i) {
    fact& f = l.facts[i];
    CHECK(f.at == where::out);
    const bool killer = f.killer;
    f = fact{};
    f.attempt = t.attempt;
    f.at = where::queued;
    f.killer = killer;
    f.recalled = l.recalled;
    if (killer) l.plain = false;
  }
  if (t.alone) l.plain = false;
  if (l.queued == 0) l.others = 0;
  l.in += t.count;
  l.queued += t.count;
  in_ += t.count;
  if (l.recalled) meet(rare::submit_recalled);
  if (closing_ || failed_) meet(rare::submit_late);
  tell("%6lld   submit run %u [%llu, +%llu)\n", static_cast<long long>(now), t.of,
       static_cast<unsigned long long>(t.item), static_cast<unsigned long long>(t.count));
  machine.submit(t, now);
}

inline void fleet_world::recall(std::uint32_t of, bool hard) {
  lot& l = lots_[of];
  if (l.queued > 0) meet(rare::recall_queued);
  for (fact& f : l.facts) f.recalled |= f.at != where::out;
  if (machine.pending(of) > l.queued) l.recalled = true;  // workers have some of it
  if (l.recalled && hard) l.hard = true;
  for (const body& b : bodies_) {
    if (b.begun && b.ring[b.finished].of == of) meet(rare::recall_running);
  }
  tell("%6lld   recall run %u\n", static_cast<long long>(now), of);
  machine.recall(of, hard, now);
}

inline void fleet_world::close(nanos grace) {
  const nanos until = later(now, grace);
  if (closing_ && until < close_until_) meet(rare::close_shorter);
  if (!closing_) meet(in_ > 0 ? rare::close_runs : rare::close_idle);
  close_until_ = std::min(close_until_, until);
  closing_ = true;
  tell("%6lld   close\n", static_cast<long long>(now));
  machine.close(grace, now);
}

/// Exactly one end an attempt.
inline void fleet_world::end_item(const cell& c, outcome how, const order* report) {
  lot& l = lots_[c.of];
  fact& f = l.facts[c.item];
  CHECK(f.at != where::out && f.attempt == c.attempt);
  if (f.at == where::queued) --l.queued;
  if (f.owed) --owed_;
  f.at = where::out;
  f.owed = false;
  f.killer = report && how == outcome::died && report->where == reach::begun;
  --in_;
  --l.in;
  item_ended(c.of, c.item, c.attempt, how, report);
}

inline void fleet_world::drain(worker w) {
  body& b = bodies_[w];
  const std::size_t n = b.finished - b.drained;
  if (n == 0) return;
  CHECK(machine.settled(w) == b.ring[b.drained].reported);
  for (std::size_t k = b.drained; k < b.finished; ++k) {
    const cell c = b.ring[k];
    if (c.reported) {
      CHECK(k == b.drained);
      meet(rare::drop_late_result);
      if (!b.killed) meet(rare::saved);
    } else {
      end_item(c, outcome::value, nullptr);
    }
  }
  b.drained = b.finished;
  b.done += n;
  b.blocked = b.soft = false;
  b.idle_since = b.front_since = now;
  if (b.drained == b.ring.size()) {
    b.ring.clear();
    b.drained = b.finished = 0;
  }
  tell("%6lld   published %u\n", static_cast<long long>(now), w);
  machine.published(w, n, now);
}

inline void fleet_world::begin(worker w) {
  body& b = bodies_[w];
  const cell& c = b.ring[b.finished];
  b.begun = true;
  b.since = now;
  CHECK(++b.ran <= rules_.max_tasks);
  CHECK(!c.alone || b.held() == b.finished - b.drained + 1);
  if (!c.reported) {
    fact& f = lots_[c.of].facts[c.item];
    CHECK(f.at == where::held && !f.begun);  // never twice
    f.begun = true;
  }
  b.hang = chance(luck_.hang);
}

/// A worker that is up goes one step further in its task.
inline void fleet_world::step(worker w) {
  body& b = bodies_[w];
  if (b.stopped || b.finished == b.ring.size()) return;
  if (!b.claimed) {
    b.claimed = true;
    if (!roll.one_in(4)) begin(w);
  } else if (!b.begun) {
    begin(w);
  } else if (!b.hang || (b.soft && roll.one_in(3))) {
    ++b.finished;
    b.claimed = b.begun = b.hang = false;
  }
}

/// What a process held that is gone: nobody has it now.
inline void fleet_world::let_fall(worker w, bool blame) {
  body& b = bodies_[w];
  for (std::size_t k = b.drained; k < b.ring.size(); ++k) {
    const cell& c = b.ring[k];
    if (c.reported) continue;
    lot& l = lots_[c.of];
    fact& f = l.facts[c.item];
    if (l.queued++ == 0) l.others = 0;
    f.at = where::queued;
    if (k == b.drained && blame) {
      f.owed = true;
      ++owed_;
    } else if (k == b.drained && b.claimed) {
      ++f.claimed_deaths;
      l.plain = false;
    }
  }
  b.clear();
}

/// The process is gone; the shell drains, reads how far it came, and says so.
inline void fleet_world::die(worker w) {
  body& b = bodies_[w];
  if (!b.ready) {
    b.clear();
    start_failure(rules_.backoff);
    tell("%6lld   start_error %u\n", static_cast<long long>(now), w);
    machine.start_error(w, now);
    return;
  }
  if (b.finished > b.drained) meet(rare::died_published);
  drain(w);
  const reach front = b.begun ? reach::begun : b.claimed ? reach::claimed : reach::sent;
  if (b.held() == 0) meet(rare::died_idle);
  if (b.held() > 0 && front == reach::sent) meet(rare::died_sent);
  if (front == reach::claimed) meet(rare::died_claimed);
  if (front == reach::begun) meet(b.held() > 1 ? rare::died_innocent_behind : rare::died_begun);
  const bool settled = b.held() > 0 && b.ring[b.drained].reported;
  const bool counts = !b.killed && !b.retired && b.done == 0 && front != reach::begun && !settled;
  let_fall(w, front == reach::begun);
  if (counts) start_failure(rules_.backoff);
  tell("%6lld   exited %u\n", static_cast<long long>(now), w);
  machine.exited(w, front, now);
}

inline void fleet_world::start_failure(nanos before_next_fork) {
  if (before_next_fork > 0) fork_not_before_ = later(now, before_next_fork);
  failures_.push_back(now);
  while (failures_.front() <= now - rules_.failure_window) failures_.pop_front();
  if (failures_.size() >= rules_.start_failures && !closing_ && !failed_) must_fail_ = true;
}

inline void fleet_world::answer_fork(worker w) {
  body& b = bodies_[w];
  if (broke_ && !b.killed) {
    b.clear();
    meet(rare::fork_no_resources);
    fork_not_before_ = later(now, rules_.resource_retry);
    bool any = false;
    for (const body& other : bodies_) any |= other.ready;
    if (any) {
      none_since_ = never;
    } else if (none_since_ == never) {
      none_since_ = now;
    } else if (now >= later(none_since_, rules_.resource_limit) && !closing_ && !failed_) {
      must_fail_ = true;
    }
    tell("%6lld   fork_failed %u\n", static_cast<long long>(now), w);
    machine.fork_failed(w, true, now);
  } else if (chance(luck_.fork)) {
    b.clear();
    meet(rare::fork_refused);
    start_failure(rules_.backoff);
    tell("%6lld   fork_failed %u\n", static_cast<long long>(now), w);
    machine.fork_failed(w, false, now);
  } else if (b.killed || chance(luck_.start)) {
    meet(rare::died_starting);
    die(w);
  } else {
    b.ready = true;
    b.idle_since = now;
    none_since_ = never;
    tell("%6lld   ready %u\n", static_cast<long long>(now), w);
    machine.ready(w, now);
  }
}

inline void fleet_world::lose_zygote() {
  zygote_ = zygote_asked_ = false;
  for (worker w = 0; w < bodies_.size(); ++w) {
    body& b = bodies_[w];
    if (b.ready) {
      meet(rare::zygote_lost_up);
      b.condemned = true;
      if (roll.one_in(3)) die(w);
    } else if (b.exists) {
      meet(rare::zygote_lost_starting);
      b.clear();
    }
  }
  start_failure(0);
  tell("%6lld   zygote_lost\n", static_cast<long long>(now));
  machine.zygote_lost(now);
}

inline void fleet_world::happen() {
  const worker w = static_cast<worker>(roll(bodies_.size()));
  body& b = bodies_[w];
  switch (roll(12)) {
    case 0:
      if (zygote_asked_ && !zygote_) {
        if (chance(luck_.zygote / 4)) {
          meet(rare::zygote_lost_coming);
          zygote_asked_ = false;
          start_failure(0);
          tell("%6lld   zygote_lost\n", static_cast<long long>(now));
          machine.zygote_lost(now);
        } else {
          zygote_asked_ = false;
          zygote_ = true;
          tell("%6lld   zygote_up\n", static_cast<long long>(now));
          machine.zygote_up(now);
        }
      } else if (zygote_ && chance(luck_.zygote)) {
        lose_zygote();
      }
      break;
    case 1:
      if (chance(luck_.broke)) broke_ = !broke_;
      if (b.up() && chance(luck_.stop)) {
        b.stopped = true;
        meet(rare::stopped);
      } else if (b.stopped && roll.one_in(8)) {
        b.stopped = false;
      }
      break;
    case 2:
      if (b.exists && chance(luck_.death)) {
        die(w);
      } else if (b.up() && !b.retired && chance(luck_.condemn)) {
        meet(rare::condemned);
        b.condemned = true;
        tell("%6lld   condemn %u\n", static_cast<long long>(now), w);
        machine.condemn(w, now);
      } else if (b.up() && !b.retired && chance(luck_.recycle)) {
        if (machine.state(w) == fleet::life::open) {
          meet(rare::recycled);
          b.worn = true;
        }
        tell("%6lld   recycle %u\n", static_cast<long long>(now), w);
        machine.recycle(w, now);
      }
      break;
    case 3:
    case 4:
      if (b.exists && !b.ready && !chance(luck_.start * 2)) {
        answer_fork(w);
      } else if (b.killed && !b.unkillable) {
        die(w);
      } else if (b.retired && !b.killed && !b.stopped) {
        drain(w);
        b.clear();
        tell("%6lld   exited %u\n", static_cast<long long>(now), w);
        machine.exited(w, reach::sent, now);
      }
      break;
    case 5:
    case 6:
      if (b.ready) drain(w);
      break;
    default:
      if (b.ready && !b.retired && (!b.killed || roll.one_in(4))) step(w);
  }
}

}  // namespace simulation
