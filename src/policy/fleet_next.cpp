// What next: reports, then what is due to single workers, then alarms, then new workers, then new work, and last what
// the idle may have of the busy.
#include <algorithm>
#include <cassert>

#include "policy/fleet_machine.hpp"

namespace centimane::policy {

order fleet::machine::next() {
  order o;
  for (;;) {
    if (!reports_.empty()) {
      o = reports_.front();
      reports_.pop_front();
      return o;
    }
    if (listed_next_ < listed_.size()) {
      if (hand_out(o)) return o;
      continue;
    }
    if (clock_.first_due() <= now_) {
      ring(clock_.first());
      continue;
    }
    if (closing_ && !swept_ && now_ >= kill_at_) {
      sweep();
      continue;
    }
    break;
  }
  if (ending()) {
    o.what = closing_ && living_ == 0 ? order::closed : order::wait;
    o.until = o.what == order::closed ? never : std::min(clock_.first_due(), closing_ && !swept_ ? kill_at_ : never);
    return o;
  }
  if (zygote_ == seed::down && now_ >= zygote_at_) {
    zygote_ = seed::coming;
    o.what = order::start_zygote;
    return o;
  }
  unkeep();
  if (fork(o) || serve(o) || rob(o)) return o;
  o.what = order::wait;
  o.until = clock_.first_due();
  if (zygote_ == seed::down) o.until = std::min(o.until, zygote_at_);
  if (now_ < fork_at_ && work_for_another()) o.until = std::min(o.until, fork_at_);
  return o;
}

// ---- duties

/// One of the first listed place's duties, judged as things are now. False: it had none left, the next one's turn.
bool fleet::machine::hand_out(order& o) {
  const worker w = listed_[listed_next_];
  place& p = places_[w];
  o.to = w;
  if (p.duties & end) {
    p.duties &= static_cast<std::uint8_t>(~end);
    p.due = later(now_, rules_.kill_limit);
    o.what = order::kill;
    return true;
  }
  if (p.duties & back) {
    p.duties &= static_cast<std::uint8_t>(~back);
    const index n = p.at == life::open ? to_take_back(w) : 0;
    if (n > 0) {
      p.asked = n;
      o.what = order::take_back;
      o.n = static_cast<std::uint32_t>(n);
      return true;
    }
  }
  if (p.duties & peek) {
    p.duties &= static_cast<std::uint8_t>(~peek);
    if ((p.at == life::open || p.at == life::dying) && !p.held.empty()) {
      o.what = order::look;
      return true;
    }
    p.looking = false;
  }
  if (p.duties & stop) {
    p.duties &= static_cast<std::uint8_t>(~stop);
    if (p.at == life::soft) {
      p.due = later(now_, rules_.soft_grace);
      o.what = order::soft_stop;
      o.t = p.held.front();
      o.t.count = 1;
      return true;
    }
  }
  if (p.duties & go) {
    p.duties &= static_cast<std::uint8_t>(~go);
    if (p.at == life::leaving) {
      p.due = later(now_, rules_.exit_grace);
      o.what = order::retire;
      return true;
    }
  }
  p.listed = false;
  if (++listed_next_ == listed_.size()) {
    listed_.clear();
    listed_next_ = 0;
  }
  return false;
}

/// How many tasks are wanted back from the tail of w, for whatever reasons there are.
index fleet::machine::to_take_back(worker w) const {
  const place& p = places_[w];
  if (p.settled || p.held.empty()) return 0;
  if (ending() || p.outgoing) return p.held.items();
  index n = p.overtime || w == kept_ ? p.held.items() - 1 : 0;  // never all for a turn: it would go to and fro for ever
  index behind = p.held.items();
  for (std::size_t k = 0; k < p.held.ranges() && behind > n; ++k) {
    const task& t = p.held.range(k);
    const run_queue::lane* l = queue_.find(t.of);
    if (l->recalled) return behind;
    behind -= t.count;
  }
  return n;
}

// ---- alarms

void fleet::machine::ring(worker w) {
  place& p = places_[w];
  clock_.set(w, alarm(p));
  if (clock_.due(w) > now_) return;
  switch (p.at) {
    case life::absent:
      break;
    case life::starting:
    case life::soft:
    case life::leaving:
      kill(w);
      break;
    case life::dying:
      if (p.held.empty()) {
        abandon(w, reach::sent);
      } else {
        p.looking = true;
        charge(w, peek);
      }
      break;
    case life::open:
      if (!p.held.empty()) {
        p.looking = true;
        charge(w, peek);
      } else if (p.blocked) {
        p.blocked = false;
      } else if (queue_.empty()) {
        p.outgoing = true;  // it has been idle for long enough
      } else {
        p.arrived = now_;
      }
      refile(w);
      break;
  }
}

/// It outlives its SIGKILL. It can begin nothing more, and what it had done has been read.
void fleet::machine::abandon(worker w, reach front) {
  order o;
  o.what = order::abandon;
  o.to = w;
  reports_.push_back(o);
  const bool was_ready = places_[w].was_ready;
  bury(w, front);
  if (!was_ready) fork_at_ = later(now_, start_failed());
}

/// The grace of close() is over: who still runs a task is looked at once more, and killed if it has not ended.
void fleet::machine::sweep() {
  swept_ = true;
  for (worker w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (p.at == life::absent || p.at == life::dying) continue;
    if (p.at == life::open && !p.held.empty()) {
      p.looking = true;
      charge(w, peek);
    } else {
      kill(w);
    }
  }
}

// ---- work

void fleet::machine::unkeep() {
  if (kept_ == nobody) return;
  const run_queue::lane* l = queue_.find(kept_for_);
  if (l && !l->waiting.empty()) return;
  const worker w = kept_;
  kept_ = nobody;
  refile(w);
}

bool fleet::machine::fits(const place& p, const run_queue::lane& l) const {
  return l.waiting.front().alone ? p.held.empty() : p.held.items() < depth_of(l);
}

/// The emptiest worker first (else what is taken back would return whence it came, for ever), for the run whose turn it
/// is. If that run needs a free worker, and others would keep this one busy for ever, it is let run dry.
bool fleet::machine::serve(order& o) {
  while (!queue_.empty()) {
    if (kept_ != nobody) {
      run_queue::lane* l = queue_.find(kept_for_);
      if (fits(places_[kept_], *l) && (places_[kept_].held.empty() || places_[kept_].done > kept_done_)) {
        const worker w = kept_;
        kept_ = nobody;
        o = send(w, *l);
        return true;
      }
    }
    const worker w = ready_.least();
    if (w == nobody) return false;
    const place& p = places_[w];
    if (!p.held.empty() && queue_.items() <= starting_) return false;  // those who are coming up shall have it
    run_queue::lane* l = &queue_.head();
    if (!fits(p, *l) && kept_ == nobody && queue_.several() && ended_ != ended_at_turn_) {
      kept_ = w;
      kept_for_ = l->of;
      kept_done_ = p.done;  // a task must end before the turn is taken, and one between two turns: else two runs could
      ended_at_turn_ = ended_;  // pass their items to and fro for ever
      refile(w);
      if (p.held.items() == 1) continue;
      charge(w, back);
      return hand_out(o);
    }
    for (std::uint32_t k = queue_.turns(); k > 0; --k, l = &queue_.after(*l)) {
      if (!fits(p, *l)) continue;
      o = send(w, *l);
      return true;
    }
    return false;
  }
  return false;
}

/// As much as fits, but no more than its share: what is left shall do for the others, too.
order fleet::machine::send(worker w, run_queue::lane& l) {
  place& p = places_[w];
  const task& first = l.waiting.front();
  const std::uint32_t depth = depth_of(l);
  const index share = (queue_.items() + rules_.workers - 1) / rules_.workers;
  const index room = std::min<index>(depth - p.held.items(), quota(p));
  const bool single = first.alone || depth == 1;
  order o;
  o.what = order::send;
  o.to = w;
  o.t = queue_.take(l, first.alone ? 1 : std::min(room, share), single ? 1 : depth_);
  if (p.held.empty()) {
    p.clock = later(now_, o.t.limit);
    p.since = never;
    p.arrived = now_;
  }
  p.held.push_back(o.t);
  p.sent += o.t.count;
  p.refused = false;
  held_ += o.t.count;
  if (kept_ != nobody && kept_for_ == l.of) {
    const worker spared = kept_;  // the run has had its turn elsewhere
    kept_ = nobody;
    refile(spared);
  }
  refile(w);
  return o;
}

// ---- workers

/// A worker is worth its fork if something waits that nobody who is free or coming up will take.
bool fleet::machine::work_for_another() const {
  if (ending() || alive_ >= rules_.workers || absent_.empty()) return false;
  const index waiting = queue_.items() + held_ - busy_;
  const worker kept = kept_ != nobody && places_[kept_].held.empty() ? 1 : 0;
  return waiting > index{starting_} + ready_.free() + kept || alive_ < ahead_;
}

bool fleet::machine::fork(order& o) {
  if (alive_ >= ahead_) ahead_ = 0;
  if (zygote_ != seed::up || now_ < fork_at_ || !work_for_another() || (short_ && starting_ > 0)) return false;
  name_elder();
  const worker w = absent_.back();
  absent_.pop_back();
  place& p = places_[w];
  p.at = life::starting;
  p.due = later(now_, rules_.start_limit);
  ++starting_;
  ++living_;
  o.what = order::fork;
  o.to = w;
  refile(w);
  return true;
}

/// If there are workers enough without the next one, it is the heir of one that may be sent no more: that one shall not
/// come back to work when something is taken back from it.
void fleet::machine::name_elder() {
  worker workers = 0;
  place* elder = nullptr;
  for (place& p : places_) {
    if (p.at != life::starting && (p.outgoing || (p.at != life::open && p.at != life::soft))) continue;
    ++workers;
    if (p.at != life::starting && quota(p) == 0 && !elder) elder = &p;
  }
  if (workers >= rules_.workers && elder) elder->outgoing = true;
}

/// A worker is free and nothing is queued: nobody waits behind a long task. Half of what the fullest one holds.
bool fleet::machine::rob(order& o) {
  if (ready_.free() == 0 || !queue_.empty()) return false;
  const worker w = rich_.most();
  if (w == nobody) return false;
  place& p = places_[w];
  p.asked = p.held.items() / 2;
  o.what = order::take_back;
  o.to = w;
  o.n = static_cast<std::uint32_t>(p.asked);
  return true;
}

}  // namespace centimane::policy
