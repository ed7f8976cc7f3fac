// The pool's shell: what drivers ask of it, and who sleeps on the bell. Its other parts: pool_orders.cpp carries out
// what the fleet orders, pool_results.cpp empties result rings, pool_watch.cpp hears of deaths, clocks and sockets.
#include "process/pool_core.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "centimane/cpu_count.hpp"
#include "centimane/errors.hpp"
#include "platform/clock.hpp"
#include "platform/futex.hpp"
#include "platform/oom.hpp"
#include "process/worker.hpp"

namespace centimane::engine {
namespace {

/// The second line behind the bell: a driver with tasks outstanding never sleeps longer. A wake-up that only this found
/// is a fault.
constexpr nanos longest_sleep = 100'000'000;
/// Definitions that outlast their runs, and how long one may be: a function's name is.
constexpr std::size_t most_kept = 4, largest_kept = 1024;
/// Lines that are kept until somebody comes by who may call the log.
constexpr std::size_t most_notes = 100;

policy::fleet_rules fleet_rules_of(const pool_rules& rules) {
  policy::fleet_rules r;
  r.workers = rules.workers;
  r.depth = tempo::least;
  r.max_tasks = rules.max_tasks;
  r.soft_grace = rules.soft_grace;
  r.exit_grace = rules.exit_grace;
  r.start_limit = rules.start_limit;
  r.idle_after = rules.idle_after;
  return r;
}

}  // namespace

pool_core::pool_core(pool_rules rules)
    : rules_(std::move(rules)),
      // Made on the caller's thread, where start="fork" finds the caller's memory, and where a failure is the caller's.
      spare_zygote_(rules_.make_zygote()),
      supervisor_(supervisor::get()),
      fleet_(fleet_rules_of(rules_)),
      places_(rules_.workers + 1),
      tempo_(rules_.workers, cpu_count()) {
  oom_before_ = platform::oom_kills();
  set_up_ = std::make_shared<const control_body>(rules_.set_up);
  here_ = supervisor_->join(*this);
  arena_->on_release([sees = supervisor_] { sees->kick(); });
}

pool_core::~pool_core() {
  if (!usable()) {  // a copy made by the user's fork: nothing here is ours
    for (place& p : places_) (void)p.ring.release();
    return;
  }
  supervisor_->leave(here_);
  for (const place& p : places_) arena_->died(p.tenant);
  clients_.clear();        // and what their parcels hold
  arena_->on_release({});  // views that are still looked into keep their own memory
}

nanos pool_core::now() const { return platform::now() - skew_; }

void pool_core::note(std::string line) {
  if (!rules_.log || notes_.size() >= most_notes) return;
  notes_.push_back(std::move(line));
  has_notes_.store(true, std::memory_order_relaxed);
}

void pool_core::tell_notes() {
  if (!has_notes_.load(std::memory_order_relaxed)) return;
  std::vector<std::string> lines;
  {
    const lock l(mutex_);
    lines.swap(notes_);
    has_notes_.store(false, std::memory_order_relaxed);
  }
  for (const std::string& line : lines) rules_.log(line);
}

void pool_core::close(nanos grace) {
  lock l(mutex_);
  fleet_.close(grace, now());
  pump(now());
  supervisor_->kick();
  closed_.wait(l, [this] { return all_gone_; });
  if (sleeper_ == sleeper::supervisor) unlisten();
  if (zygote_) {
    supervisor_->unwatch(zygote_->socket());
    if (zygote_->pidfd() >= 0) supervisor_->unwatch(zygote_->pidfd());
  }
  zygote_.reset();
  spare_zygote_.reset();
  l.unlock();
  tell_notes();
}

void pool_core::prepare() {
  const lock l(mutex_);
  fleet_.prepare(rules_.workers, now());
  pump(now());
  supervisor_->kick();
}

std::size_t pool_core::signal_all(int number, bool busy_only) {
  const lock l(mutex_);
  std::size_t sent = 0;
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    const place& p = places_[w];
    if (!p.ring || p.pid == 0 || (busy_only && (!p.up || p.ledger.empty()))) continue;
    signal(w, number);
    ++sent;
  }
  return sent;
}

bool pool_core::signal_worker(pid_t pid, int number) {
  const lock l(mutex_);
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    const place& p = places_[w];
    if (!p.ring || p.pid != pid) continue;
    signal(w, number);
    return true;
  }
  return false;
}

std::vector<worker_status> pool_core::status() {
  const lock l(mutex_);
  std::vector<worker_status> all;
  for (std::size_t w = 0; w < places_.size(); ++w) {
    const place& p = places_[w];
    if (!p.ring) continue;
    worker_status s;
    s.index = static_cast<int>(w);
    s.pid = p.pid;
    s.done = p.done;
    s.state = !p.up ? "starting" : p.ledger.empty() ? "idle" : "running";
    all.push_back(s);
  }
  return all;
}

std::int64_t pool_core::zygote_pid() {
  const lock l(mutex_);
  return zygote_ ? zygote_->pid() : 0;
}

std::uint64_t pool_core::missed_bells() {
  const lock l(mutex_);
  return missed_bells_;
}

// ---- runs

std::shared_ptr<client> pool_core::enter(nanos limit, std::shared_ptr<client> trunk) {
  auto who = std::make_shared<client>();
  who->limit = limit;
  who->trunk = std::move(trunk);
  const lock l(mutex_);
  who->of = next_client_++;
  clients_.emplace(who->of, who);
  return who;
}

void pool_core::leave(client& who) {
  const lock l(mutex_);
  who.gone = true;
  who.alarm = nullptr;
  const nanos at = now();
  const std::uint32_t of = who.of;
  fleet_.recall(of, false, at);
  fleet_.set_depth(of, 0);
  pump(at);
  for (place& p : places_) {
    if (const auto known = p.knows.find(of); known != p.knows.end()) {
      for (std::size_t k = 0; k < known->second; ++k) {
        if (!who.definitions[k].kept) p.control.post(control::forget, who.definitions[k].id);
      }
      p.knows.erase(known);
    }
  }
  for (const definition& d : who.definitions) {
    if (d.kept) let_go(d, who.outstanding == 0 && !who.failed);
  }
  if (who.outstanding == 0) {
    clients_.erase(of);
  } else {
    listen();
  }
}

std::uint64_t pool_core::define(client& who, std::span<const std::byte> blob, bool keep_it) {
  definition it{0, std::make_shared<const control_body>(blob)};
  const lock l(mutex_);
  if (!keep_it || !keep(blob, it)) it.id = next_id_++;
  who.definitions.push_back(std::move(it));
  return who.definitions.back().id;
}

/// Finds what an earlier run has left, or sees to it that a later one finds this; false if it cannot be kept.
bool pool_core::keep(std::span<const std::byte> blob, definition& as) {
  if (blob.size() > largest_kept) return false;
  for (auto at = kept_.begin(); at != kept_.end(); ++at) {
    if (!std::ranges::equal(at->bytes, blob)) continue;
    if (at->in_use) return false;
    kept_definition found = std::move(*at);
    kept_.erase(at);
    found.in_use = true;
    as = found.what;
    kept_.push_back(std::move(found));
    return true;
  }
  if (kept_.size() == most_kept) {
    const auto oldest = std::ranges::find_if(kept_, [](const kept_definition& k) { return !k.in_use; });
    if (oldest == kept_.end()) return false;
    const definition gone = oldest->what;
    let_go(gone, false);
  }
  as.id = next_id_++;
  as.kept = true;
  kept_.push_back({{blob.begin(), blob.end()}, as});
  return true;
}

/// A run that has it leaves. `good`: none of its tasks is left, and none has failed; else workers are told to forget
/// it, for it may be the definition itself that could not be read, and can be next time.
void pool_core::let_go(const definition& what, bool good) {
  const auto at = std::ranges::find_if(kept_, [&](const kept_definition& k) { return k.what.id == what.id; });
  if (at == kept_.end()) return;
  at->in_use = false;
  if (good) return;
  kept_.erase(at);
  for (place& p : places_) {
    if (std::erase(p.knows_kept, what.id) > 0) p.control.post(control::forget, what.id);
  }
}

void pool_core::depth(client& who, std::uint32_t n) {
  const lock l(mutex_);
  fleet_.set_depth(who.of, n);
}

/// The workers that are there already are told of first.
void pool_core::watch_for(client& who) {
  const lock l(mutex_);
  who.watched = true;
  for (const place& p : places_) {
    if (!p.up || p.dead || p.leaving) continue;
    happening there{happening::worker_started};
    there.worker = p.end.worker;
    there.pid = p.pid;
    there.at = platform::now();
    who.in.noticed(there);
  }
}

void pool_core::listen_for(client& who, std::function<bool(const word&)> hear) {
  const lock l(mutex_);
  who.listens = true;
  who.hear = std::move(hear);
}

/// What a task said before its result was published lies in its worker's socket by now.
void pool_core::overhear() {
  const lock l(mutex_);
  const nanos at = now();
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    if (places_[w].ring && !places_[w].deaf) hear_worker(w, at);
  }
  pump(at);
}

/// The run that a definition belongs to is whom its task speaks to.
void pool_core::heard(const place& p, control_message& what) {
  const auto owner = std::find_if(clients_.begin(), clients_.end(), [&](const auto& c) {
    const auto& all = c.second->definitions;
    return std::any_of(all.begin(), all.end(), [&](const auto& d) { return d.id == what.id; });
  });
  if (owner == clients_.end() || owner->second->gone || !owner->second->listens) return;
  const std::span<const std::byte> body = what.inline_body;
  word_head head{};
  if (what.body_file || body.size() < sizeof head) return;
  std::memcpy(&head, body.data(), sizeof head);
  word said;
  said.kind = static_cast<std::uint8_t>(head.kind);
  said.item = head.item;
  said.worker = p.end.worker;
  said.pid = p.own_pid;
  said.text = body.subspan(sizeof head);
  if (said.kind == 0 && said.text.size() != sizeof(std::uint64_t)) return;
  client& who = *owner->second;
  if (!who.hear) {
    who.in.heard(said);
  } else if (who.hear(said)) {
    who.kicked = true;  // it may be on its way into wait()
  } else {
    return;
  }
  wake(who);
}

/// Tells the watched runs what happened to a worker.
void pool_core::notice(happening what, const place& p) {
  what.at = platform::now();
  what.worker = p.end.worker;
  if (p.pid != 0) what.pid = p.pid;
  for (const auto& [of, who] : clients_) {
    if (!who->watched || who->gone) continue;
    who->in.noticed(what);
    wake(*who);
  }
}

index pool_core::room(client& who) {
  const lock l(mutex_);
  index free = fleet_.room(who.of);
  // Arguments that lie in the arena and have no outcome yet leave room for so many more like them.
  if (const std::uint64_t more = arena_->room(); free > more)
    free = std::max<index>(more, who.outstanding == 0 ? 1 : 0);
  // A parcel is worth its while: not one item each time one has come back, but a quarter of what workers hold.
  const bool dribble = !who.one_by_one && who.outstanding > 0 && free < index{rules_.workers} * tempo_.depth() / 4;
  return dribble ? 0 : free;
}

void pool_core::submit(client& who, std::vector<std::unique_ptr<parcel>> sent, nanos limit) {
  const lock l(mutex_);
  const nanos at = now();
  for (auto& one : sent) {
    policy::task t;
    t.of = who.of;
    t.item = one->first();
    t.count = one->count();
    t.attempt = one->attempt();
    t.limit = limit;
    who.outstanding += t.count;
    if (who.free_parcels.empty()) {
      t.parcel = static_cast<std::uint32_t>(who.parcels.size());
      who.parcels.push_back(std::move(one));
    } else {
      t.parcel = who.free_parcels.back();
      who.free_parcels.pop_back();
      who.parcels[t.parcel] = std::move(one);
    }
    fleet_.submit(t, at);
  }
  pump(at);
}

void pool_core::recall(client& who, bool hard) {
  const lock l(mutex_);
  const nanos at = now();
  drain_all(at);
  fleet_.recall(who.of, hard, at);
  pump(at);
}

bool pool_core::take(client& who, inbox& into) {
  tell_notes();
  const lock l(mutex_);
  if (who.in.empty()) {
    const nanos at = now();
    drain_all(at);
    pump(at);
    if (who.in.empty()) return false;
  }
  std::swap(who.in, into);
  return true;
}

void pool_core::wait(client& who, nanos until) {
  lock l(mutex_);
  nanos at = now();
  drain_all(at);
  pump(at);
  if (!who.in.empty() || std::exchange(who.kicked, false)) return;
  const nanos latest = std::min(until, policy::later(platform::now(), longest_sleep));
  if (sleeper_ ==
      sleeper::driver) {  // another run's driver has the bell; it wakes us, or hands the bell on when it leaves
    who.asleep = true;
    const std::uint32_t seen = who.woken.load();
    l.unlock();
    platform::futex_wait_until(who.woken, seen, latest);
    l.lock();
    who.asleep = false;
    return;
  }
  if (sleeper_ == sleeper::supervisor) unlisten();
  sleeper_ = sleeper::driver;
  on_bell_ = &who;
  announce();
  if (!anything_due()) {
    l.unlock();
    const bool rung = bell_.sleep(latest);
    l.lock();
    if (!rung && platform::now() >= latest && latest < until && anything_due()) ++missed_bells_;
  }
  bell_.awake();
  sleeper_ = sleeper::nobody;
  on_bell_ = nullptr;
  at = now();
  drain_all(at);
  pump(at);
  pass_bell_on();
}

/// A driver leaves the bell: to another that sleeps, else to the supervisor if one waits in an event loop.
void pool_core::pass_bell_on() {
  bool elsewhere = false;
  for (auto& [of, other] : clients_) {
    if (other->asleep) return wake(*other);
    elsewhere = elsewhere || other->alarm != nullptr;
  }
  if (elsewhere) listen();
}

bool pool_core::arm(client& who, const detail::alarm* to) {
  const lock l(mutex_);
  who.alarm = nullptr;
  if (to == nullptr) return true;
  const nanos at = now();
  drain_all(at);
  pump(at);
  if (!who.in.empty()) return false;
  who.alarm = to;
  listen();
  return true;
}

/// Says to all workers that somebody sleeps, and from which result on he is to be woken: half-way while there is more
/// to send, at the last one otherwise (a worker that runs dry rings in any case).
void pool_core::announce() {
  const bool more = fleet_.queued() > 0;
  for (place& p : places_) {
    const std::uint32_t held = p.up ? p.ring->held() : 0;
    if (held > 0) p.ring->ring_from(more ? std::max(1U, held / 2) : held);
  }
  bell_.announce();
}

/// After announce(): is there something that nobody will ring for?
bool pool_core::anything_due() const {
  return std::any_of(places_.begin(), places_.end(), [](const place& p) { return p.up && p.ring->due(); });
}

void pool_core::away() {
  const lock l(mutex_);
  listen();
}

/// The supervisor takes the bell: no driver is about, and workers must be fed and emptied all the same.
void pool_core::listen() {
  if (sleeper_ != sleeper::nobody || fleet_.held() + fleet_.queued() == 0 || all_gone_) return;
  sleeper_ = sleeper::supervisor;
  supervisor_->watch(here_, bell_.listen_fd(), tag(watch::bell, 0));
  supervisor_->kick();  // its tick announces and looks
}

void pool_core::unlisten() {
  supervisor_->unwatch(bell_.listen_fd());
  bell_.awake();
  sleeper_ = sleeper::nobody;
}

void pool_core::kick(client& who) {
  const lock l(mutex_);
  who.kicked = true;
  wake(who);
}

void pool_core::wake(client& who) {
  if (who.alarm != nullptr) {
    const detail::alarm* const other = std::exchange(who.alarm, nullptr);
    other->call(other->context);
  } else if (on_bell_ == &who) {
    bell_.ring();
  } else if (who.asleep) {
    who.woken.fetch_add(1);
    platform::futex_wake(who.woken);
  }
}

}  // namespace centimane::engine
