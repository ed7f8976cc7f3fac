// The pool's shell: carries out what the fleet orders. See pool_core.hpp.
#include <algorithm>

#include "platform/clock.hpp"
#include "platform/pidfd.hpp"
#include "process/pool_core.hpp"
#include "process/worker.hpp"

namespace centimane::engine {
namespace {

/// How much longer than its patience a stack may take whose writer wants the processor and is not given it: it will
/// come, and no clock tells when.
constexpr nanos starved_patience = 500'000'000;

}  // namespace

void pool_core::pump(nanos at) {
  for (;;) {
    const policy::order what = fleet_.next(at);
    if (what.what == policy::order::wait || what.what == policy::order::closed) {
      until_ = what.what == policy::order::wait ? what.until : policy::never;
      if (what.what == policy::order::closed && !all_gone_) {
        all_gone_ = true;
        closed_.notify_all();
      }
      break;
    }
    obey(what, at);
  }
  until_ = std::min({until_, patience_, tidy_by_});
  if (until_ < supervisor_until_) {
    supervisor_until_ = until_;
    supervisor_->kick();
  }
}

void pool_core::obey(const policy::order& what, nanos at) {
  switch (what.what) {
    case policy::order::start_zygote:
      start_zygote(at);
      break;
    case policy::order::fork:
      fork_worker(what.to, at);
      break;
    case policy::order::send:
      send(what, at);
      break;
    case policy::order::take_back: {
      place& p = places_[what.to];
      if (p.up) drain(what.to, at);  // a result published just now counts
      const std::uint32_t n = p.ring ? p.ring->take_back(what.n) : 0;
      unlend(p, n);
      for (std::uint32_t left = n; left > 0;) {
        policy::task& last = p.ledger.back();
        const auto k = static_cast<std::uint32_t>(std::min<index>(left, last.count));
        last.count -= k;
        const auto owner = clients_.find(last.of);
        if (owner != clients_.end() && owner->second->watched && !owner->second->gone) {
          happening back{happening::taken_back};
          back.at = platform::now();
          back.item = last.item + last.count;
          back.count = k;
          back.worker = p.end.worker;
          back.pid = p.pid;
          owner->second->in.noticed(back);
        }
        left -= k;
        if (last.count == 0) p.ledger.pop_back();
      }
      fleet_.taken(what.to, n, at);
      break;
    }
    case policy::order::look: {
      // What has been published meanwhile comes first: the answer is about the task that is in hand now.
      drain(what.to, at);
      const channel_state seen = places_[what.to].ring->look();
      fleet_.seen(what.to, front_of(seen), seen.since - skew_, at);
      break;
    }
    case policy::order::soft_stop: {
      place& p = places_[what.to];
      p.ring->soft_stop();
      if (p.stack_by != policy::never) {
        p.stop_after_stack = true;
      } else {
        signal(what.to, stop_signal());
      }
      break;
    }
    case policy::order::kill:
      if (places_[what.to].stack_by != policy::never) {
        places_[what.to].kill_after_stack = true;  // a few milliseconds later: the stack comes first
      } else {
        kill(what.to);
      }
      break;
    case policy::order::abandon: {
      ending end = places_[what.to].end;
      end.unkillable = true;
      note(one_line(end));
      clear(what.to);
      places_[what.to].end = std::move(end);  // for the report of what it had begun, which follows
      break;
    }
    case policy::order::retire:
      places_[what.to].leaving = true;
      places_[what.to].ring->closing();
      break;
    case policy::order::report:
      report(what);
      break;
    case policy::order::fail:
      why_failed_ = never_started(last_failed_start_);
      note(why_failed_.text);
      break;
    default:
      break;
  }
}

void pool_core::send(const policy::order& what, nanos at) {
  place& p = places_[what.to];
  const auto found = clients_.find(what.t.of);
  client& who = *found->second;
  const parcel& from = *who.parcels[what.t.parcel];
  teach(p, who.root(), from.definitions());
  if (p.ledger.empty()) p.mark = at;
  // Before its first timed task: the worker says when each began.
  if (what.t.limit != policy::never || who.watched) p.ring->timed(true);
  task_header header{};
  header.definition = from.definition();
  header.attempt = what.t.attempt;
  header.watched = (who.watched ? wants_times : 0U) | (who.root().listens ? wants_words : 0U);
  index sent = 0;
  while (sent < what.t.count) {
    const index item = what.t.item + sent, left = what.t.count - sent;
    const cargo::load* heavy = from.next_load(item);
    const bool now = heavy != nullptr && heavy->item == item;  // it goes as a bundle of its own
    const index n = now ? 1 : heavy == nullptr ? left : std::min(left, heavy->item - item);
    if (now) show_segments(p, *heavy);
    header.control = p.control.posted();
    header.item = item;
    const std::uint32_t fit = p.ring->append(header, from.tasks(item, n));
    if (fit == 0) break;
    if (now) lend(p, *heavy, p.sent + sent);
    sent += fit;
  }
  p.sent += sent;
  if (sent > 0) {
    policy::task held = what.t;
    held.count = sent;
    p.ledger.push_back(held);
    flush(what.to);
    p.ring->publish();
  }
  if (sent < what.t.count) fleet_.full(what.to, static_cast<std::uint32_t>(what.t.count - sent), at);
}

/// Sends the worker the first `wanted` definitions of the run that it does not know.
void pool_core::teach(place& p, client& who, std::uint32_t wanted) {
  std::size_t& known = p.knows[who.of];
  for (; known < wanted; ++known) {
    const definition& next = who.definitions[known];
    if (next.kept) {
      if (std::ranges::find(p.knows_kept, next.id) != p.knows_kept.end()) continue;
      p.knows_kept.push_back(next.id);
    }
    p.control.post(control::define, next.id, next.body);
  }
}

/// Whatever the control socket could not take yet is sent by the supervisor when there is room.
void pool_core::flush(std::uint32_t w) {
  place& p = places_[w];
  const bool waits = !p.control.flush();
  if (waits != p.writes_wait && !p.deaf) {  // whose socket has ended is not watched any more
    p.writes_wait = waits;
    supervisor_->rewatch(here_, p.control.get(), tag(watch::control, w), waits);
  }
}

void pool_core::report(const policy::order& what) {
  place* p = what.to < places_.size() ? &places_[what.to] : nullptr;
  trouble why;
  if (what.how == policy::outcome::overtime && p != nullptr && p->ring) {
    p->text_before = p->ring->text().size();
    by(p->stack_look, now());
    p->stack_by = policy::later(p->stack_look, rules_.stack_patience);
    p->stack_latest = policy::later(p->stack_by, starved_patience);
    p->held_report = what;  // until its stack is there
    signal(what.to, stack_signal());
    return;
  }
  if (what.how == policy::outcome::overtime) return deliver(what, {});
  if (what.how == policy::outcome::died) {
    if (what.why != policy::failure::none) {
      why = why_failed_;
    } else if (what.where == policy::reach::begun && p != nullptr) {
      why = died_in_hand(p->end);
    } else {
      why = died_unbegun(p != nullptr ? p->end : ending{});
    }
  } else {
    why.how = what.how;
    why.where = what.where == policy::reach::begun ? stage::run : stage::sent;
    why.text = what.how == policy::outcome::unsent ? "taken back before it began" : "cancelled";
  }
  lose(what.t, std::make_shared<const trouble>(std::move(why)));
}

/// Reports a task that passed its limit, with the stack at which it hung.
void pool_core::deliver(const policy::order& what, trouble why) {
  why.how = policy::outcome::overtime;
  why.where = stage::run;
  why.limit = what.t.limit;
  why.worker = static_cast<int>(what.to);
  if (what.to < places_.size()) why.pid = places_[what.to].pid;
  if (what.to < places_.size() && places_[what.to].ring) why.began = places_[what.to].ring->look().since;
  why.text = "passed its limit of " + std::to_string(static_cast<double>(what.t.limit) / 1e9) + " s";
  lose(what.t, std::make_shared<const trouble>(std::move(why)));
}

void pool_core::lose(policy::task t, std::shared_ptr<const trouble> why) {
  const auto found = clients_.find(t.of);
  if (found == clients_.end()) return;
  const std::shared_ptr<client> who = found->second;
  if (!who->gone) who->root().in.lost(t.item, t.count, t.attempt, std::move(why));
  settle(*who, t.parcel, t.count);
  wake(who->root());
}

}  // namespace centimane::engine
