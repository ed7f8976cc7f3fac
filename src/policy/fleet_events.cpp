// What the fleet is told, and what it makes of it: work, the zygote, each worker.
#include <algorithm>
#include <cassert>
#include <utility>

#include "policy/fleet_machine.hpp"

namespace centimane::policy {
namespace {

constexpr std::size_t most_suspects = 4096;  // beyond that suspicion is dropped: poison then dies in company

std::uint64_t name_of(std::uint32_t of, index item) {
  std::uint64_t z = item + (std::uint64_t{of} << 40) + of;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  return z ^ (z >> 31);
}

}  // namespace

// ---- work

void fleet::machine::submit(task t) {
  assert(t.count > 0);
  const run_queue::lane* l = queue_.find(t.of);
  if (l && l->recalled) {
    report(t, outcome::unsent, reach::queued);
    return;
  }
  if (ending()) {
    report_at_end(t, reach::queued, nobody);
    return;
  }
  if (t.attempt > 1 && t.count == 1 && !suspects_.empty() && suspects_.erase(name_of(t.of, t.item)) > 0) t.alone = true;
  queue_.push_back(t);
}

void fleet::machine::set_depth(std::uint32_t n) {
  n = std::clamp(n, 1U, max_depth);
  if (n == depth_) return;
  depth_ = n;
  for (worker w = 0; w < places_.size(); ++w) refile(w);
}

void fleet::machine::set_depth(std::uint32_t of, std::uint32_t n) {
  if (n > 0) {
    queue_.know(of).depth = n;
  } else if (run_queue::lane* l = queue_.find(of)) {
    l->depth = 0;
    queue_.forget_if_idle(*l);
  }
}

void fleet::machine::recall(std::uint32_t of, bool hard) {
  run_queue::lane* l = queue_.find(of);
  if (!l) return;
  while (!l->waiting.empty()) report(queue_.drop(*l), outcome::unsent, reach::queued);
  if (l->held == 0) {
    queue_.forget_if_idle(*l);
    return;
  }
  l->recalled = true;
  if (hard && !l->hard) {
    l->hard = true;
    ++hard_recalls_;
  }
  for (worker w = 0; w < places_.size(); ++w) {
    const place& p = places_[w];
    if (p.at == life::open && !p.held.empty()) charge(w, back);  // whether it holds any of that run is seen then
  }
}

void fleet::machine::close(nanos grace) {
  kill_at_ = std::min(kill_at_, later(now_, grace));
  if (closing_) return;
  closing_ = true;
  if (failed_ == failure::none) shut_down();
}

/// Nothing more is begun: what is queued is reported, what is held comes back, who holds nothing leaves.
void fleet::machine::shut_down() {
  clear_queue();
  for (worker w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (p.at == life::starting) {
      kill(w);
    } else if (p.at == life::open) {
      if (!p.held.empty()) charge(w, back);
      refile(w);
    }
  }
}

void fleet::machine::clear_queue() {
  while (!queue_.empty()) {
    run_queue::lane& l = queue_.head();
    while (!l.waiting.empty()) report_at_end(queue_.drop(l), reach::queued, nobody);
    queue_.forget_if_idle(l);
  }
}

// ---- the zygote

void fleet::machine::zygote_up() {
  if (zygote_ == seed::coming) zygote_ = seed::up;
}

void fleet::machine::zygote_lost() {
  zygote_ = seed::down;
  for (worker w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (p.at == life::absent) continue;
    if (!p.was_ready) {
      vacate(w);
    } else if (p.at != life::dying) {
      kill(w);
    }
  }
  zygote_at_ = later(now_, start_failed());
}

// ---- a worker

void fleet::machine::ready(worker w) {
  place& p = places_[w];
  if (p.at != life::starting && p.at != life::dying) return;
  if (!p.was_ready) ++up_;
  p.was_ready = true;
  if (p.at == life::dying) return;
  --starting_;
  p.at = life::open;
  p.arrived = now_;
  short_ = false;
  none_since_ = never;
  refile(w);
}

void fleet::machine::start_error(worker w) {
  if (places_[w].at == life::absent) return;
  vacate(w);
  fork_at_ = later(now_, start_failed());
}

void fleet::machine::fork_failed(worker w, bool resource) {
  if (!resource) {
    start_error(w);
    return;
  }
  if (places_[w].at == life::absent) return;
  vacate(w);
  short_ = true;
  fork_at_ = later(now_, rules_.resource_retry);
  if (up_ > 0) {
    none_since_ = never;  // fewer do, too
  } else if (none_since_ == never) {
    none_since_ = now_;
  } else if (now_ >= later(none_since_, rules_.resource_limit)) {
    fail(failure::resources);
  }
}

void fleet::machine::published(worker w, index n) {
  place& p = places_[w];
  assert(p.at != life::absent && n <= p.held.items());
  if (n == 0) return;
  p.done += n;
  ++ended_;
  held_ -= n;
  while (n > 0) {
    const task piece = p.held.cut_front(n);
    n -= piece.count;
    queue_.let_go(piece.of, piece.count);
  }
  p.settled = p.overtime = p.refused = p.blocked = p.looking = false;
  p.duties &= static_cast<std::uint8_t>(~(stop | peek));
  p.since = never;
  p.arrived = now_;
  if (p.at == life::soft) p.at = life::open;  // the late result saves its worker
  if (!p.held.empty()) {
    p.clock = later(now_, p.held.front().limit);
    if (hard_recalls_ > 0 && p.at == life::open) {
      const run_queue::lane* l = queue_.find(p.held.front().of);
      if (l->hard) charge(w, back);
    }
  }
  refile(w);
}

void fleet::machine::taken(worker w, index n) {
  place& p = places_[w];
  assert(p.at != life::absent && n <= p.held.items());
  const bool all = n >= p.asked;
  p.asked = 0;
  p.refused = !all || n == 0;
  p.sent -= n;
  while (n > 0) {
    const task piece = p.held.cut_back(n);
    n -= piece.count;
    held_ -= piece.count;
    give_back(piece, w);
  }
  if (p.held.empty()) p.arrived = now_;
  if (p.at == life::open && !p.held.empty() && !p.settled) {
    const run_queue::lane* l = queue_.find(p.held.front().of);
    if (p.overtime && all) {
      settle(w, outcome::overtime);
    } else if (p.overtime || (l->hard && p.held.items() > 1)) {
      p.overtime = false;  // more than the first was claimed, so that has ended: its result must be drained
      p.looking = true;
      charge(w, peek);
    } else if (l->hard) {
      settle(w, outcome::cancelled);
    }
  }
  refile(w);
}

void fleet::machine::full(worker w, index n) {
  place& p = places_[w];
  assert(p.at != life::absent && n > 0 && n <= p.held.items());
  p.sent -= n;
  while (n > 0) {
    const task piece = p.held.cut_back(n);
    n -= piece.count;
    held_ -= piece.count;
    give_back(piece, w);
  }
  p.blocked = true;
  p.due = later(now_, rules_.full_retry);
  if (p.held.empty()) p.arrived = now_;
  refile(w);
}

void fleet::machine::seen(worker w, reach front, nanos since) {
  place& p = places_[w];
  p.looking = false;
  if (p.at == life::dying && now_ >= p.due) {
    abandon(w, front);
    return;
  }
  if (p.at != life::open || p.held.empty() || p.settled) return;
  if (swept_) {
    settle(w, outcome::cancelled);
    return;
  }
  const nanos limit = p.held.front().limit;
  if (limit == never) return;
  if (front == reach::begun) {
    p.since = std::min({p.since, since, now_});  // a worker's own word: it can only be late once
    p.clock = later(p.since, limit);
    if (now_ >= p.clock) {
      p.overtime = true;
      if (p.held.items() > 1) {
        charge(w, back);  // first: the kill would hit an innocent task if the late result came just before it
      } else {
        settle(w, outcome::overtime);
      }
    }
  } else if (front == reach::sent && now_ >= later(p.arrived, std::max(limit, rules_.unclaimed_limit))) {
    kill(w);
  } else {
    p.clock = later(now_, limit);
  }
  refile(w);
}

void fleet::machine::exited(worker w, reach front) {
  const place& p = places_[w];
  if (p.at == life::absent) return;
  if (!p.was_ready) {
    start_error(w);
    return;
  }
  const bool useless = p.at == life::open && p.done == 0 && front != reach::begun;
  bury(w, front);
  if (useless) fork_at_ = later(now_, start_failed());  // it came up, did nothing and died of itself
}

/// Its place is empty. Only what had begun is lost with it; what it had claimed and not begun is sent again, alone and
/// not for ever; what it had not touched goes to others as if it had never been there.
void fleet::machine::bury(worker w, reach front) {
  line held = std::exchange(places_[w].held, line{});
  const bool settled = places_[w].settled;
  vacate(w);
  ++ended_;
  held_ -= held.items();
  const index kept = settled || front != reach::sent ? 1 : 0;
  while (held.items() > kept) give_back(held.cut_back(held.items() - kept), w);
  if (held.empty()) return;
  task first = held.front();
  first.count = 1;
  if (settled) {
    queue_.let_go(first.of, 1);
  } else if (front == reach::begun) {
    queue_.let_go(first.of, 1);
    if (suspects_.size() >= most_suspects) suspects_.clear();
    suspects_.insert(name_of(first.of, first.item));
    report(first, outcome::died, reach::begun, w);
  } else if (first.resent >= rules_.resends) {
    queue_.let_go(first.of, 1);
    ++first.resent;
    report(first, outcome::died, reach::claimed, w);
  } else {
    ++first.resent;
    first.alone = true;
    give_back(first, w);
  }
}

void fleet::machine::condemn(worker w) {
  const life at = places_[w].at;
  if (at != life::absent && at != life::dying) kill(w);
}

void fleet::machine::recycle(worker w) {
  place& p = places_[w];
  if (p.at != life::open) return;
  p.outgoing = true;
  if (!p.held.empty()) charge(w, back);
  refile(w);
}

}  // namespace centimane::policy
