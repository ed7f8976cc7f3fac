// The pool's shell: the life and death of workers and zygotes, as the supervisor learns of them. No step here waits.
#include <algorithm>
#include <csignal>

#include "memory/lent.hpp"
#include "platform/clock.hpp"
#include "platform/oom.hpp"
#include "platform/pidfd.hpp"
#include "platform/process_identity.hpp"
#include "platform/process_maps.hpp"
#include "platform/process_state.hpp"
#include "process/crash_text.hpp"
#include "process/pool_core.hpp"
#include "process/worker.hpp"

namespace centimane::engine {
namespace {

/// How long a dead worker's exit status may take from a zygote that lives; unknown afterwards. It comes within a
/// fraction of a millisecond unless the zygote is not given the processor, which no clock tells from one that has been
/// stopped.
constexpr nanos status_patience = 1'000'000'000;
/// How long a worker may live without a control socket: one that ends closes its files before its pidfd tells.
constexpr nanos deaf_patience = 20'000'000;
/// How often the crash text is looked at while a stack is awaited.
constexpr nanos stack_step = 2'000'000;

}  // namespace

std::uint64_t pool_core::tag(watch what, std::uint32_t w) const {
  return (std::uint64_t{static_cast<unsigned>(what)} << 40) | (std::uint64_t{w & 0xFFFFU} << 24) |
         (w < places_.size() ? places_[w].life & 0xFFFFFFU : 0);
}

void pool_core::happened(std::uint64_t tagged, bool readable, bool writable) {
  const lock l(mutex_);
  const nanos at = now();
  const auto what = static_cast<watch>(tagged >> 40);
  const auto w = static_cast<std::uint32_t>((tagged >> 24) & 0xFFFFU);
  const auto life = static_cast<std::uint32_t>(tagged & 0xFFFFFFU);
  const bool stale = w >= places_.size() || !places_[w].ring || (places_[w].life & 0xFFFFFFU) != life;
  switch (what) {
    case watch::zygote_socket:
      hear_zygote(at);
      break;
    case watch::zygote_death:
      zygote_gone(at);
      break;
    case watch::bell:
      if (sleeper_ == sleeper::supervisor) bell_.awake();  // tick announces anew
      break;
    case watch::control:
      if (stale) break;
      if (writable) flush(w);
      if (readable) hear_worker(w, at);
      break;
    case watch::death:
      if (stale) break;
      supervisor_->unwatch(places_[w].pidfd.get());
      places_[w].dead = true;
      by(places_[w].status_by, policy::later(at, status_patience));
      hear_zygote(at);  // the status is often there already
      break;
  }
}

nanos pool_core::tick() {
  const lock l(mutex_);
  const nanos at = now();
  drain_all(at);
  check_clocks(at);
  tidy();
  pump(at);
  std::erase_if(clients_, [](const auto& c) { return c.second->gone && c.second->outstanding == 0; });
  if (sleeper_ == sleeper::supervisor) {
    if (fleet_.held() + fleet_.queued() == 0) {
      unlisten();
    } else {
      announce();
      if (anything_due()) bell_.ring();
    }
  }
  supervisor_until_ = until_;
  return until_ == policy::never ? policy::never : until_ + skew_;
}

void pool_core::slept(nanos gap) {
  const lock l(mutex_);
  skew_ += gap;
}

void pool_core::check_clocks(nanos at) {
  if (at < patience_) return;
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (p.stack_by != policy::never && at >= p.stack_look) collect_stack(w, at);
    if (at >= p.deaf_by) condemn_deaf(w, at);
    if (p.dead && at >= p.status_by) bury(w, at);  // its status does not come: unknown
  }
  patience_ = policy::never;
  for (const place& p : places_) patience_ = std::min({patience_, p.status_by, p.deaf_by, p.stack_look});
}

// ---- zygote

void pool_core::start_zygote(nanos at) {
  try {
    if (spare_zygote_) {
      zygote_ = std::move(spare_zygote_);
      spare_zygote_.reset();
    } else {
      zygote_.emplace(rules_.make_zygote());
    }
    supervisor_->watch(here_, zygote_->socket(), tag(watch::zygote_socket, 0));
    if (zygote_->pidfd() >= 0) supervisor_->watch(here_, zygote_->pidfd(), tag(watch::zygote_death, 0));
    fleet_.zygote_up(at);
  } catch (const std::exception& failed) {
    zygote_.reset();
    last_failed_start_ = {};
    last_failed_start_.text = std::string("the zygote could not be started: ") + failed.what();
    fleet_.zygote_lost(at);
  }
}

void pool_core::hear_zygote(nanos at) {
  while (zygote_) {
    std::optional<zygote::notice> heard = zygote_->receive();
    if (!heard) return;
    if (heard->what == zygote::notice::gone) return zygote_gone(at);
    const auto w = static_cast<std::uint32_t>(heard->ticket & 0xFFFFU);
    const auto life = static_cast<std::uint32_t>(heard->ticket >> 16);
    if (w >= places_.size() || !places_[w].ring || places_[w].life != life) continue;
    place& p = places_[w];
    switch (heard->what) {
      case zygote::notice::forked:
        p.pid = p.end.pid = heard->pid;
        p.pidfd = std::move(heard->pidfd);
        if (p.pidfd) supervisor_->watch(here_, p.pidfd.get(), tag(watch::death, w));
        if (p.kill_when_known) kill(w);
        break;
      case zygote::notice::failed:
        last_failed_start_ = p.end;
        last_failed_start_.text = std::string("fork: ") + std::generic_category().message(heard->error);
        clear(w);
        fleet_.fork_failed(w, heard->error == EAGAIN || heard->error == ENOMEM || heard->error == EMFILE, at);
        break;
      case zygote::notice::exited:
        p.end.known = true;
        p.end.signal = heard->signal;
        p.end.exit_code = heard->exit_code;
        if (heard->left > 0) note(detached(p.end, heard->left));
        bury(w, at);
        break;
      default:
        break;
    }
  }
}

void pool_core::zygote_gone(nanos at) {
  if (!zygote_) return;
  supervisor_->unwatch(zygote_->socket());
  if (zygote_->pidfd() >= 0) supervisor_->unwatch(zygote_->pidfd());
  zygote_.reset();
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (!p.ring) continue;
    if (!p.up) {
      clear(w);  // the fleet forgets those that were starting by itself
      continue;
    }
    p.end.with_zygote = true;
    p.end.signal = SIGKILL;
    p.end.known = true;
    if (p.dead) {
      bury(w, at);  // the status that it waited for will not come
    } else if (p.pidfd) {
      platform::pidfd_signal(p.pidfd.get(), SIGKILL);  // they end with it anyway; this makes it now
    } else {
      bury(w, at);
    }
  }
  last_failed_start_ = {};
  last_failed_start_.text = "the zygote was killed";
  fleet_.zygote_lost(at);
}

// ---- workers

void pool_core::fork_worker(std::uint32_t w, nanos at) {
  place& p = places_[w];
  const std::uint32_t life = p.life + 1;
  p = place{};
  p.life = life;
  p.end.worker = static_cast<int>(w);
  p.forked_at = platform::now();
  p.tenant = arena_->enrol();
  try {
    p.ring = std::make_unique<channel>();
    auto [ours, theirs] = control_socket::make_pair();
    p.control = control_socket(std::move(ours));
    p.control.post(control::set_up, 0, set_up_);
    p.control.post(control::begin, platform::this_process_identity().word());
    supervisor_->watch(here_, p.control.get(), tag(watch::control, w));
    const channel_files& f = p.ring->files();
    const std::uint64_t ticket = (std::uint64_t{life} << 16) | w;
    if (zygote_ && zygote_->request(ticket, f.task.get(), f.result.get(), f.text.get(), bell_.page_fd(),
                                    bell_.ring_fd(), theirs.get())) {
      p.ring->close_files();
      flush(w);
      return;
    }
    last_failed_start_ = p.end;
    last_failed_start_.text = "the zygote does not take requests";
  } catch (const std::system_error& failed) {
    last_failed_start_ = p.end;
    last_failed_start_.text = failed.what();
  }
  clear(w);
  fleet_.fork_failed(w, true, at);
}

/// The slot is empty again; its descriptors and memory are gone.
void pool_core::clear(std::uint32_t w) {
  place& p = places_[w];
  if (p.pidfd && !p.dead) supervisor_->unwatch(p.pidfd.get());
  if (p.control.get() >= 0) supervisor_->unwatch(p.control.get());
  arena_->died(p.tenant);
  const std::uint32_t life = p.life;
  p = place{};
  p.life = life;
}

void pool_core::hear_worker(std::uint32_t w, nanos at) {
  place& p = places_[w];
  bool gone = false;
  while (std::optional<control_message> heard = p.control.receive(gone)) {
    switch (heard->kind) {
      case control::ready:
        if (!p.up) {
          p.up = true;
          fleet_.ready(w, at);
          happening started{happening::worker_started};
          started.from = p.forked_at;
          started.pid = p.own_pid = static_cast<std::int64_t>(heard->id);
          notice(started, p);
        }
        break;
      case control::want:
        answer(w, heard->id, at);
        break;
      case control::give_back:
        given_back(w, *heard, at);
        break;
      case control::word:
        this->heard(p, *heard);
        break;
      case control::lend:
        memory::keep(std::move(heard->body_file));
        break;
      default:
        break;
    }
  }
  if (gone && !p.deaf) {  // dead, or the task closed our descriptors or called exec: an end of file hastens, nothing
                          // waits for it
    p.deaf = true;
    supervisor_->unwatch(p.control.get());
    by(p.deaf_by, policy::later(at, deaf_patience));
  }
}

/// Its control socket has ended and it still lives: it cannot be spoken to.
void pool_core::condemn_deaf(std::uint32_t w, nanos at) {
  place& p = places_[w];
  p.deaf_by = policy::never;
  if (p.dead || (p.pidfd && platform::pidfd_exited(p.pidfd.get()))) return;
  if (!p.up) return kill(w);
  const platform::mapped ring = platform::maps_file(p.pid, "centimane-result");
  if (ring == platform::mapped::yes) {
    // A task closed our descriptors and the worker goes on: it finishes what it runs now, which may be innocent, and
    // leaves.
    fleet_.recycle(w, at);
    return;
  }
  // It has become another program; or it is ending, has lost the processor on its way, and gets no other blame.
  p.end.closed_channel = ring == platform::mapped::no;
  fleet_.condemn(w, at);
}

void pool_core::kill(std::uint32_t w) {
  place& p = places_[w];
  if (!p.ring) return;
  if (p.pid == 0) {
    p.kill_when_known = true;
  } else {
    signal(w, SIGKILL);
  }
  p.killed_by_us = true;
}

/// By its pidfd; where there is none, or the system refuses such a signal, by its parent, who has not reaped it:
/// neither can hit a stranger.
void pool_core::signal(std::uint32_t w, int number) {
  const place& p = places_[w];
  if (p.pidfd && platform::pidfd_signal(p.pidfd.get(), number)) return;
  if (p.pid != 0 && zygote_) zygote_->kill((std::uint64_t{p.life} << 16) | w, number);
}

/// The worker is gone. What it published counts; the task it had begun is lost; the rest goes out again.
void pool_core::bury(std::uint32_t w, nanos at) {
  place& p = places_[w];
  bool gone = false;
  while (std::optional<control_message> heard = p.control.receive(gone)) {
    if (heard->kind == control::ready && !p.up) {
      p.up = true;
      fleet_.ready(w, at);
    }
    if (heard->kind == control::word) this->heard(p, *heard);  // its last
    if (heard->kind == control::lend) memory::keep(std::move(heard->body_file));
  }
  if (p.up) drain(w, at);
  const channel_state state = p.up ? p.ring->look() : channel_state{};
  p.end.broke_protocol |= !state.sane;
  p.end.at = state.at;
  p.end.text = p.ring->text();
  if (p.end.signal == SIGKILL && !p.killed_by_us) {
    const std::uint64_t kills = platform::oom_kills();
    p.end.oom = kills > oom_before_;
    oom_before_ = kills;
  }
  // A set-up that raises is a failed start; a signal is a death at any time.
  if (!p.killed_by_us && !p.leaving && (p.up || p.end.signal != 0)) deaths_.fetch_add(1, std::memory_order_relaxed);
  if (p.stack_by != policy::never) collect_stack(w, policy::never);
  if (!p.up) {
    last_failed_start_ = p.end;
    clear(w);
    fleet_.start_error(w, at);
    return;
  }
  using policy::reach;
  const reach front = p.end.broke_protocol ? reach::begun : front_of(state);
  if (p.ledger.empty() && !p.killed_by_us && !p.leaving) note(one_line(p.end) + " while idle");
  if (p.done == 0 && front != reach::begun) last_failed_start_ = p.end;
  p.end.began = front == reach::begun ? state.since : 0;
  happening left{p.leaving ? happening::worker_recycled : happening::worker_died};
  left.signal = p.end.signal;
  left.exit_code = p.end.exit_code;
  notice(left, p);
  fleet_.exited(w, front, at);
  // The fleet's reports about it follow at once, while its ending is still here.
  const ending end = p.end;
  clear(w);
  p.end = end;
}

/// A task passed its limit: takes the stack that its worker has written by now, if it is whole, and reports.
/// at = never: take what is there.
void pool_core::collect_stack(std::uint32_t w, nanos at) {
  place& p = places_[w];
  std::string text = p.ring->text();
  const bool whole = text.size() > p.text_before && text.ends_with(end_of_stack);
  if (!whole && (at < p.stack_by || (at < p.stack_latest && platform::wants_processor(p.pid)))) {
    by(p.stack_look, policy::later(at, stack_step));
    return;
  }
  if (whole) text.resize(text.size() - end_of_stack.size());
  p.stack_by = p.stack_latest = p.stack_look = policy::never;
  trouble why;
  why.stack = text.size() > p.text_before ? text.substr(p.text_before) : std::string();
  if (p.held_report) {
    const policy::order what = *p.held_report;
    p.held_report.reset();
    deliver(what, std::move(why));
  }
  const bool alive = at != policy::never;
  if (alive && p.kill_after_stack) kill(w);
  if (alive && p.stop_after_stack) signal(w, stop_signal());
  p.kill_after_stack = p.stop_after_stack = false;
}

}  // namespace centimane::engine
