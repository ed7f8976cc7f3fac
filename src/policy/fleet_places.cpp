// What follows from an event: how a place stands in the ranks and on the clock, how it is killed, settled and emptied,
// and what is reported of it.
#include <algorithm>
#include <utility>

#include "policy/fleet_machine.hpp"

namespace centimane::policy {

/// May it be sent anything now? Not before it has run down to half of its depth, so that what is sent is worth a send.
bool fleet::machine::takes_tasks(worker w) const {
  const place& p = places_[w];
  return p.at == life::open && !p.outgoing && !p.blocked && !p.overtime && w != kept_ && quota(p) > 0 &&
         p.held.items() <= depth_ / 2 && (p.held.empty() || !p.held.back().alone);
}

bool fleet::machine::may_be_robbed(const place& p) const {
  return p.at == life::open && !p.refused && !p.settled && p.held.items() > 1;
}

/// Brings everything that is derived from a place's facts up to date with them.
void fleet::machine::refile(worker w) {
  place& p = places_[w];
  if (p.at == life::open && p.held.empty() && (p.outgoing || quota(p) == 0 || ending())) {
    if (swept_) {
      kill(w);
      return;
    }
    p.at = life::leaving;
    p.due = later(now_, rules_.exit_grace);
    charge(w, go);
  }
  if (w == kept_ && (p.at != life::open || p.outgoing || p.blocked || quota(p) == 0)) kept_ = nobody;
  if (takes_tasks(w)) {
    ready_.file(w, p.held.items());
  } else {
    ready_.remove(w);
  }
  if (may_be_robbed(p)) {
    rich_.file(w, p.held.items());
  } else {
    rich_.remove(w);
  }
  const bool counts =
      p.at == life::starting || ((p.at == life::open || p.at == life::soft) && !p.outgoing && quota(p) > 0);
  if (counts != p.counts) alive_ = counts ? alive_ + 1 : alive_ - 1;
  p.counts = counts;
  const bool busy = !p.held.empty();
  if (busy != p.busy) busy_ = busy ? busy_ + 1 : busy_ - 1;
  p.busy = busy;
  rearm(w);
}

/// When the place's alarm is due. A task's limit counts from when it came to the front: no worker tells when it claims.
nanos fleet::machine::alarm(const place& p) const {
  switch (p.at) {
    case life::absent:
      return never;
    case life::open:
      if (!p.held.empty()) return p.looking || p.settled || p.held.front().limit == never ? never : p.clock;
      return p.blocked ? p.due : later(p.arrived, std::max<nanos>(rules_.idle_after, 1));
    case life::dying:
      return p.looking ? never : p.due;  // looking: for the last time
    default:
      return p.due;
  }
}

/// An alarm that rings too early is set again when it rings: most tasks end before their limit, and cost nothing here.
void fleet::machine::rearm(worker w) {
  const nanos due = alarm(places_[w]);
  if (due < clock_.due(w)) clock_.set(w, due);
}

void fleet::machine::charge(worker w, std::uint8_t duties) {
  place& p = places_[w];
  p.duties |= duties;
  if (p.listed) return;
  p.listed = true;
  listed_.push_back(w);
}

/// The place is empty; what it held has been dealt with.
void fleet::machine::vacate(worker w) {
  place& p = places_[w];
  if (!p.was_ready && p.at == life::starting) --starting_;
  if (p.was_ready) --up_;
  const bool listed = p.listed;
  if (p.counts) --alive_;
  if (p.busy) --busy_;
  p = place{};
  p.listed = listed;
  ready_.remove(w);
  rich_.remove(w);
  clock_.clear(w);
  if (kept_ == w) kept_ = nobody;
  absent_.push_back(w);
  --living_;
}

void fleet::machine::kill(worker w) {
  place& p = places_[w];
  if (p.at == life::starting) --starting_;
  p.at = life::dying;
  p.due = later(now_, rules_.kill_limit);
  p.duties = 0;
  p.looking = p.overtime = false;
  charge(w, end);
  refile(w);
}

/// Its first task ends here and now, whatever it still does; the worker itself may be saved if that ends in time.
void fleet::machine::settle(worker w, outcome how) {
  place& p = places_[w];
  task first = p.held.front();
  first.count = 1;
  p.settled = true;
  p.overtime = false;
  report(first, how, how == outcome::overtime ? reach::begun : reach::claimed, w);
  if (rules_.soft_grace == 0 || swept_) {
    kill(w);
    return;
  }
  p.at = life::soft;
  p.due = later(now_, rules_.soft_grace);
  charge(w, stop);
}

/// What a worker held and did not begin goes back to where it came from: to the front of its run.
void fleet::machine::give_back(task piece, worker from) {
  const run_queue::lane* l = queue_.find(piece.of);
  if (l->recalled) {
    report(piece, outcome::unsent, reach::sent, from);
  } else if (ending()) {
    report_at_end(piece, reach::sent, from);
  } else {
    queue_.push_front(piece);
  }
  queue_.let_go(piece.of, piece.count);
}

void fleet::machine::report(const task& t, outcome how, reach where, worker w, failure why) {
  order o;
  o.what = order::report;
  o.to = w;
  o.t = t;
  o.how = how;
  o.where = where;
  o.why = why;
  reports_.push_back(o);
}

void fleet::machine::report_at_end(const task& t, reach where, worker w) {
  if (failed_ != failure::none) {
    report(t, outcome::died, where, w, failed_);
  } else {
    report(t, outcome::cancelled, where, w);
  }
}

/// Counts a worker that did not start (not one that died under a task that had begun): too many, and the fleet gives
/// up. Answers how long to wait before the next try.
nanos fleet::machine::start_failed() {
  failures_.push_back(now_);
  while (!failures_.empty() && failures_.front() <= now_ - rules_.failure_window) failures_.pop_front();
  if (failures_.size() >= rules_.start_failures) fail(failure::starts);
  nanos wait = rules_.backoff;
  for (std::size_t k = 1; k < std::min<std::size_t>(failures_.size(), 4); ++k) wait = later(wait, wait);
  return wait;
}

void fleet::machine::fail(failure why) {
  if (ending()) return;
  failed_ = why;
  order o;
  o.what = order::fail;
  o.why = why;
  reports_.push_back(o);
  shut_down();
}

}  // namespace centimane::policy
