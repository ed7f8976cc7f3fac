// What the fleet orders of the simulated machine of fleet_world.hpp, and whether it may.
#pragma once
#include "fleet_world.hpp"

namespace simulation {

inline bool fleet_world::obey_all() {
  for (std::uint32_t orders = 0;; ++orders) {
    CHECK(orders < 5000);  // it does not chase its tail
    const order o = machine.next(now);
    if (o.what == order::wait) {
      CHECK(o.until > now);
      until_ = o.until;
      at_rest();
      return true;
    }
    if (o.what == order::closed) {
      is_closed();
      return false;
    }
    obey(o);
  }
}

inline void fleet_world::obey(const order& o) {
  if (told) {
    static constexpr const char* names[] = {"start_zygote", "fork", "send",   "take_back", "look",
                                            "soft_stop",    "kill", "retire", "abandon",   "report",
                                            "fail",         "wait", "closed"};
    tell("%6lld %s", static_cast<long long>(now), names[o.what]);
    if (o.to != fleet::nobody) tell(" to %u", o.to);
    if (o.what == order::take_back) tell(" n %u", o.n);
    if (o.what == order::send || o.what == order::report || o.what == order::soft_stop) {
      tell(" run %u [%llu, +%llu) attempt %u resent %u%s how %u where %u", o.t.of,
           static_cast<unsigned long long>(o.t.item), static_cast<unsigned long long>(o.t.count), o.t.attempt,
           o.t.resent, o.t.alone ? " alone" : "", static_cast<unsigned>(o.how), static_cast<unsigned>(o.where));
    }
    tell("\n");
  }
  switch (o.what) {
    case order::start_zygote:
      CHECK(!zygote_ && !zygote_asked_ && !closing_ && !failed_);
      zygote_asked_ = true;
      break;
    case order::fork: {
      body& b = bodies_[o.to];
      CHECK(zygote_ && !b.exists && !closing_ && !failed_);
      b.exists = true;
      b.forked_at = now;
      worker all = 0, working = 0;
      index settled = 0;  // workers that are busy with what has been reported, or refuse all
      for (body& x : bodies_) {
        x.was_spent |= x.ready && x.sent >= rules_.max_tasks;
        all += x.exists;
        settled += x.exists && (x.held() > 0 ? x.ring[x.drained].reported : x.blocked);
        working += x.exists && !x.killed && !x.retired && !x.worn && !x.was_spent;
      }
      CHECK(working <= rules_.workers && now >= fork_not_before_);
      CHECK(working <= std::max<index>(in_ + settled, prepared_));  // four items need no more than four workers
      if (all > rules_.workers) meet(rare::heir);
      if (working <= prepared_ && working > in_) meet(rare::prepared);
      break;
    }
    case order::send:
      sent(o);
      break;
    case order::take_back:
      take_back(o);
      break;
    case order::look: {
      body& b = bodies_[o.to];
      CHECK(b.ready && b.held() > 0);
      CHECK(!b.killed || now >= later(b.killed_at, rules_.kill_limit));
      if (b.finished > b.drained) meet(rare::look_drained);
      drain(o.to);
      const reach front = b.begun ? reach::begun : b.claimed ? reach::claimed : reach::sent;
      if (b.held() > 0 && (!b.begun || now < later(b.since, b.ring[b.drained].limit))) meet(rare::look_too_early);
      machine.seen(o.to, front, b.since, now);
      break;
    }
    case order::soft_stop: {
      body& b = bodies_[o.to];
      CHECK(b.up() && b.held() > 0 && b.ring[b.drained].reported);
      CHECK(o.t.of == b.ring[b.drained].of && o.t.item == b.ring[b.drained].item && o.t.count == 1);
      b.soft = b.finished == b.drained;
      b.soft_at = now;
      break;
    }
    case order::kill:
      killed(o);
      break;
    case order::retire: {
      body& b = bodies_[o.to];
      CHECK(b.up() && b.ring.empty() && !b.retired);
      const bool idle = now >= later(b.idle_since, std::max<nanos>(rules_.idle_after, 1));
      CHECK(b.worn || b.sent >= rules_.max_tasks || closing_ || failed_ || idle || b.was_spent);
      if (b.sent >= rules_.max_tasks) meet(rare::worn_out);
      if (idle && !closing_ && !failed_ && !b.worn && b.sent < rules_.max_tasks) meet(rare::idle_retired);
      b.retired = true;
      b.retired_at = now;
      break;
    }
    case order::abandon: {
      body& b = bodies_[o.to];
      CHECK(b.exists && b.killed && now >= later(b.killed_at, rules_.kill_limit));
      meet(rare::abandoned);
      if (!b.ready) start_failure(rules_.backoff);
      CHECK(b.finished == b.drained);
      let_fall(o.to, b.begun);
      break;
    }
    case order::report:
      reported(o);
      break;
    case order::fail:
      CHECK(must_fail_ && !failed_);
      meet(o.why == failure::starts ? rare::failed_starts : rare::failed_resources);
      must_fail_ = false;
      failed_ = true;
      break;
    default:
      CHECK(false);
  }
}

inline void fleet_world::sent(const order& o) {
  body& b = bodies_[o.to];
  lot& l = lots_[o.t.of];
  if (b.held() == 0 && now >= b.full_until) b.blocked = false;
  CHECK(b.up() && !b.retired && !b.worn && !b.blocked && !b.condemned && !closing_ && !failed_);
  CHECK(o.t.count > 0 && !l.recalled);
  if (b.was_spent) {  // no heir of its has come up
    worker others = 0;
    for (const body& x : bodies_) others += x.exists && !x.killed && !x.retired && !x.worn && !x.was_spent;
    CHECK(others < rules_.workers);
  }
  const index most = std::min(depth_, l.depth == 0 ? depth_ : l.depth);
  CHECK(b.held() + o.t.count <= most);
  CHECK(b.held() == 0 || !b.ring.back().alone);
  b.sent += o.t.count;
  CHECK(b.sent <= rules_.max_tasks);
  for (index i = o.t.item; i < o.t.item + o.t.count; ++i) {
    fact& f = l.facts[i];
    CHECK(f.at == where::queued && !f.begun && !f.owed && !f.recalled && f.attempt == o.t.attempt);
    CHECK(o.t.resent == f.claimed_deaths && o.t.resent <= rules_.resends);
    const bool alone = o.t.alone || f.killer || f.claimed_deaths > 0;
    CHECK(!alone || (b.held() == 0 && o.t.count == 1 && o.t.alone));
    if (o.t.alone) meet(f.killer ? rare::suspect_alone : rare::alone);
    f.at = where::held;
    b.ring.push_back({o.t.of, o.t.attempt, i, o.t.limit, o.t.alone, false});
  }
  if (b.held() == o.t.count) b.front_since = now;
  l.queued -= o.t.count;
  l.others = 0;
  for (lot& other : lots_) {
    if (&other == &l || other.queued == 0) continue;
    other.others += o.t.count;
    // Whoever waits has its turn after one turn of each other run, and each turn ends with the send that completes it.
    CHECK(!other.plain || other.others <= lots_.size() * 2 * index{deepest_});
  }
  if (chance(luck_.full)) {
    const index n = 1 + roll(o.t.count);
    meet(n == b.held() ? rare::full_empty : rare::full_part);
    for (index k = 0; k < n; ++k) {
      const cell& c = b.ring.back();
      lots_[c.of].facts[c.item].at = where::queued;
      if (lots_[c.of].queued++ == 0) lots_[c.of].others = 0;
      b.ring.pop_back();
    }
    b.sent -= n;
    b.blocked = true;
    b.was_spent = false;
    b.full_until = later(now, rules_.full_retry);
    if (b.held() == 0) b.idle_since = now;
    machine.full(o.to, n, now);
  }
}

inline void fleet_world::take_back(const order& o) {
  body& b = bodies_[o.to];
  CHECK(b.up() && o.n > 0 && o.n <= b.held());
  const bool late = b.begun && now >= later(b.since, b.ring[b.finished].limit);
  bool recalls = false;
  for (const lot& l : lots_) recalls |= l.recalled;
  if (machine.queued() > 0 && !recalls && !closing_ && !failed_ && !b.worn && !late) meet(rare::let_run_dry);
  while (luck_.death > 0 && roll.one_in(3)) step(o.to);  // the worker does not wait for us
  if (!luck_.lax) drain(o.to);
  while (luck_.death > 0 && roll.one_in(4)) step(o.to);
  index n = 0, foreign = 0;
  for (; n < o.n && b.unclaimed() > 0; ++n) {
    const cell& c = b.ring.back();
    lot& l = lots_[c.of];
    if (!l.recalled) ++foreign;
    l.facts[c.item].at = where::queued;
    if (l.queued++ == 0) l.others = 0;
    b.ring.pop_back();
  }
  meet(n == 0 ? rare::take_none : n < o.n ? rare::take_part : rare::take_all);
  if (recalls && n > foreign) meet(foreign > 0 ? rare::recall_others_behind : rare::recall_held);
  b.sent -= n;
  if (b.drained == b.ring.size()) {
    b.ring.clear();
    b.drained = b.finished = 0;
    b.idle_since = now;
  }
  machine.taken(o.to, n, now);
}

inline void fleet_world::reported(const order& o) {
  lot& l = lots_[o.t.of];
  CHECK(o.t.count > 0);
  for (index i = o.t.item; i < o.t.item + o.t.count; ++i) {
    fact& f = l.facts[i];
    const cell c{o.t.of, o.t.attempt, i, o.t.limit, o.t.alone, false};
    CHECK(f.at != where::out);
    const bool idle = f.at == where::queued && !f.begun;
    body* b = nullptr;
    if (f.at == where::held) {  // a task in hand: the first that its worker has
      CHECK(o.to < bodies_.size() && o.t.count == 1);
      b = &bodies_[o.to];
      CHECK(b->up() && b->held() > 0);
      cell& front = b->ring[b->drained];
      CHECK(front.of == o.t.of && front.item == i && !front.reported);
      front.reported = true;
    }
    switch (o.how) {
      case outcome::died:
        if (o.why != failure::none) {
          CHECK(failed_ && idle);
          meet(rare::reported_failed);
        } else if (o.where == reach::begun) {
          CHECK(f.owed);
        } else {
          CHECK(o.where == reach::claimed && idle && f.claimed_deaths == rules_.resends + 1);
          meet(rare::resends_spent);
        }
        break;
      case outcome::overtime:
        CHECK(b && b->held() == 1 && (b->begun || b->finished > b->drained));
        CHECK(now >= later(b->since, o.t.limit));
        meet(rare::overtime);
        break;
      case outcome::cancelled:
        if (b) {
          CHECK((l.hard && b->held() == 1) || (closing_ && now >= close_until_));
          CHECK(b->claimed || b->finished > b->drained || closing_);
          if (closing_ && now >= close_until_) {
            meet(rare::close_kills);
          } else {
            meet(rare::recall_hard);
          }
        } else {
          CHECK(idle && closing_);
        }
        break;
      case outcome::unsent:
        CHECK(idle && f.recalled);
        break;
      default:
        CHECK(false);
    }
    end_item(c, o.how, &o);
  }
}

inline void fleet_world::killed(const order& o) {
  body& b = bodies_[o.to];
  CHECK(b.exists && !b.killed);
  if (!b.ready) {
    const bool slow = now >= later(b.forked_at, rules_.start_limit);
    CHECK(slow || closing_ || failed_);
    if (slow) meet(rare::start_too_long);
  } else {
    const bool over =
        b.soft_at >= 0 && b.held() > 0 && b.ring[b.drained].reported && now >= later(b.soft_at, rules_.soft_grace);
    const bool at_once = rules_.soft_grace == 0 && b.held() > 0 && b.ring[b.drained].reported;
    const bool lingers = b.retired && now >= later(b.retired_at, rules_.exit_grace);
    const bool closes = closing_ && now >= close_until_;
    const bool asleep = b.held() > 0 && b.finished == b.drained && !b.claimed && b.ring[b.drained].limit != never &&
                        now >= later(b.front_since, std::max(b.ring[b.drained].limit, rules_.unclaimed_limit));
    const bool newborn = (closing_ || failed_) && b.held() == 0 && b.sent == 0;  // it came up as that was decided
    CHECK(over || at_once || lingers || closes || asleep || newborn || b.condemned);
    // Nobody innocent is hit: the task in hand is settled, or the kill is not ours to choose.
    if (!b.condemned && b.held() > 0 && b.begun) CHECK(b.ring[b.drained].reported);
    if (!b.condemned && !closes && !luck_.lax) CHECK(b.held() <= 1 || asleep);
    if (over) meet(rare::killed_after_grace);
    if (asleep && !over && !at_once && !closes && !b.condemned) meet(rare::unclaimed_kill);
  }
  b.killed = true;
  b.killed_at = now;
  b.unkillable = chance(luck_.unkillable);
}

/// Nothing to do: is that true?
inline void fleet_world::at_rest() {
  CHECK(owed_ == 0 && !must_fail_);
  index queued = 0, held = 0;
  for (std::uint32_t of = 0; of < lots_.size(); ++of) {
    lot& l = lots_[of];
    if (l.in == 0 && machine.pending(of) == 0) l.recalled = l.hard = false;
    queued += l.queued;
    held += l.in - l.queued;
    CHECK(!l.recalled || l.queued == 0);
    CHECK(machine.pending(of) >= l.in);
  }
  CHECK(machine.queued() == queued && machine.held() >= held);
  if (closing_ || failed_) CHECK(queued == 0);
  bool anyone_free = false, all_dead = true;
  for (const body& b : bodies_) {
    all_dead &= !b.exists;
    anyone_free |= free(b) && b.ready;
    if (b.up() && b.held() > 0 && b.ring[b.drained].reported) CHECK(b.soft_at >= 0);
    if (closing_ && now >= close_until_) CHECK(!b.exists || b.killed);
    if (b.up() && b.held() > 0) {
      const lot& l = lots_[b.ring[b.drained].of];
      if (l.hard && b.finished == b.drained) CHECK(b.ring[b.drained].reported);
      for (std::size_t k = b.finished + (b.claimed ? 1 : 0); k < b.ring.size(); ++k)
        CHECK(!lots_[b.ring[k].of].recalled);
    }
    if (b.up() && b.held() > 0 && !b.claimed && b.finished == b.drained) {
      const nanos limit = b.ring[b.drained].limit;
      CHECK(limit == never || now < later(b.front_since, rules_.unclaimed_limit + 2 * limit + 50));
    }
    if (b.up() && (b.worn || closing_ || failed_)) CHECK(b.unclaimed() == 0);
    // No clock is forgotten.
    if (b.up() && b.begun && b.ring[b.drained].limit != never && b.finished == b.drained) CHECK(until_ != never);
    if (b.exists && (!b.ready || b.killed || b.retired)) CHECK(until_ != never);
  }
  if (closing_) CHECK(!all_dead);
  if (closing_ || failed_ || !anyone_free) return;
  CHECK(queued == 0);  // nobody waits while a worker is free …
  for (const body& b : bodies_) {
    if (b.up() && !b.soft && b.held() > 1) CHECK(b.unclaimed() == 0 || b.finished > b.drained);  // … nor behind a task
  }
}

inline void fleet_world::is_closed() {
  CHECK(closing_ && in_ == 0 && owed_ == 0);
  for (const body& b : bodies_) CHECK(!b.exists);
  CHECK(machine.living() == 0 && machine.held() == 0 && machine.queued() == 0);
  CHECK(machine.next(now).what == order::closed);
  until_ = never;
}

}  // namespace simulation
