// A run's view of a process pool: encodes items into parcels, hands them in, and tells the driver what came back.
#include <mutex>
#include <unordered_map>

#include "centimane/errors.hpp"
#include "platform/descriptors.hpp"
#include "platform/limits.hpp"
#include "process/pool_core.hpp"

namespace centimane::engine {
namespace {

/// A parcel is let go as a whole, so it stays small.
constexpr std::size_t parcel_bytes = 64 * 1024;
constexpr index parcel_items = 1024;

}  // namespace

// ---- pool

pool::pool(std::shared_ptr<pool_core> core) : core_(std::move(core)) {}

std::shared_ptr<pool> pool::open(pool_rules rules) {
  if (rules.workers == 0 || rules.workers > 4096) {
    throw std::invalid_argument("centimane: workers must be between 1 and 4096, not " + std::to_string(rules.workers));
  }
  if (rules.max_tasks == 0) throw std::invalid_argument("centimane: max_tasks must be at least 1");
  if (!rules.make_zygote) throw std::invalid_argument("centimane: a pool needs a way to make its zygote");
  // A program may have closed its standard streams and print all the same: not into a socket of ours.
  platform::ensure_standard();
  // Two a worker for as long as it lives, and what a fork and the pool itself take: told now, not in the middle of a
  // run.
  const std::uint64_t need = 2 * std::uint64_t{rules.workers} + 20, have = platform::free_descriptors();
  if (have < need) {
    throw resource_limit("centimane: a pool of " + std::to_string(rules.workers) + " workers needs " +
                             std::to_string(need) + " descriptors, and " + std::to_string(have) +
                             " are left: raise the limit (ulimit -n) or ask for fewer workers",
                         need, have);
  }
  return std::shared_ptr<pool>(new pool(std::make_shared<pool_core>(std::move(rules))));
}

pool::~pool() {
  if (core_->usable()) core_->close(0);
}

void pool::close(nanos grace) {
  if (!usable()) throw pool_forked("centimane: this pool belongs to the process that made it, not to its fork");
  core_->close(grace);
}

void pool::prepare() {
  if (!usable()) throw pool_forked("centimane: this pool belongs to the process that made it, not to its fork");
  core_->prepare();
}

std::size_t pool::signal(int number, bool busy_only) { return usable() ? core_->signal_all(number, busy_only) : 0; }
bool pool::signal_worker(pid_t pid, int number) { return usable() && core_->signal_worker(pid, number); }

std::uint32_t pool::workers() const { return core_->workers(); }
std::vector<worker_status> pool::status() const { return core_->status(); }
std::int64_t pool::zygote_pid() const { return core_->zygote_pid(); }
std::uint64_t pool::missed_bells() const { return core_->missed_bells(); }
std::uint64_t pool::deaths() const { return core_->deaths(); }
std::uint64_t pool::leases() const { return core_->arena()->count().leases; }
bool pool::usable() const noexcept { return core_->usable(); }

// ---- port

struct process_port::place {
  place(std::shared_ptr<pool> from, pool_core& its, payload& items, nanos limit)
      : where(std::move(from)), core(its), work(items), who(its.enter(limit)) {}

  std::shared_ptr<pool> where;
  pool_core& core;
  payload& work;
  std::shared_ptr<client> who;
  struct refusal {
    index item;
    std::uint32_t attempt;
    verdict v;
  };
  std::mutex mutex;  ///< over what follows: single tasks are started by several threads
  std::vector<refusal> refused;
  std::unordered_map<std::uint32_t, std::shared_ptr<client>> branches;
  inbox came;

  void refuse(const refusal& what) {
    const std::lock_guard guard(mutex);
    refused.push_back(what);
  }
  [[nodiscard]] bool has_refused() {
    const std::lock_guard guard(mutex);
    return !refused.empty();
  }
  bool tell_refused(events& to) {
    std::vector<refusal> all;
    {
      const std::lock_guard guard(mutex);
      all.swap(refused);
    }
    for (const auto& r : all) to.refused(r.item, r.attempt, r.v);
    return !all.empty();
  }
  [[nodiscard]] std::shared_ptr<client> branch(std::uint32_t name) {
    const std::lock_guard guard(mutex);
    const auto found = branches.find(name);
    return found == branches.end() ? nullptr : found->second;
  }

  /// The item just written belongs to the parcel. Its own bytes may be too many, and the memory for them not there.
  verdict add(parcel& to, index item) const {
    try {
      to.add();
      return {};
    } catch (const std::exception&) {
      return work.not_sent(item, std::current_exception());
    }
  }
  void check() const {
    if (!core.usable()) throw pool_forked("centimane: this run belongs to the process that began it, not to its fork");
  }
};

process_port::process_port(std::shared_ptr<pool> where, payload& work, nanos task_timeout) {
  if (!where->usable()) throw pool_forked("centimane: this pool belongs to the process that made it, not to its fork");
  pool_core& core = *where->core_;
  me_ = std::make_unique<place>(std::move(where), core, work, task_timeout);
}

process_port::~process_port() {
  if (!me_->core.usable()) return;
  for (const auto& [name, branch] : me_->branches) me_->core.leave(*branch);
  me_->core.leave(*me_->who);
}

std::uint64_t process_port::define(std::span<const std::byte> blob, bool keep) {
  me_->check();
  return me_->core.define(*me_->who, blob, keep);
}

void process_port::depth(std::uint32_t n) {
  me_->who->one_by_one = n == 1;
  me_->core.depth(*me_->who, n);
}

index process_port::room() {
  me_->check();
  return me_->core.room(*me_->who);
}

void process_port::start(index first, index n, std::uint32_t attempt) {
  start(*me_->who, first, n, attempt, me_->who->limit);
}

void process_port::start(index first, index n, std::uint32_t attempt, nanos limit) {
  start(*me_->who, first, n, attempt, limit);
}

void process_port::start(client& who, index first, index n, std::uint32_t attempt, nanos limit) {
  std::vector<std::unique_ptr<parcel>> sent;
  std::unique_ptr<parcel> present;
  const auto hand_in = [&] {
    if (present && present->count() > 0) sent.push_back(std::move(present));
    present.reset();
  };
  for (index item = first; item < first + n; ++item) {
    const std::uint64_t definition = me_->work.definition(item);
    if (!present || present->definition() != definition || present->bytes() >= parcel_bytes ||
        present->count() >= parcel_items) {
      hand_in();
      present = std::make_unique<parcel>(item, attempt, definition, me_->core.arena());
    }
    present->begin();
    verdict v = me_->work.encode(item, present->out());
    if (v.ok) v = me_->add(*present, item);
    if (v.ok) {
      // Encoding may have added definitions (a class met for the first time): the whole parcel waits for them.
      present->need(static_cast<std::uint32_t>(me_->who->definitions.size()));
      if (present->heavy()) hand_in();  // its blocks are let go with its last item: it should be that one
    } else {
      present->drop();
      hand_in();  // a parcel holds consecutive items
      me_->refuse({item, attempt, v});
    }
  }
  hand_in();
  if (!sent.empty()) me_->core.submit(who, std::move(sent), limit);
}

std::uint32_t process_port::start_branch(index item, std::uint32_t attempt, nanos limit) {
  me_->check();
  const std::shared_ptr<client> branch = me_->core.enter(limit, me_->who);
  {
    const std::lock_guard guard(me_->mutex);
    me_->branches.emplace(branch->of, branch);
  }
  start(*branch, item, 1, attempt, limit);
  return branch->of;
}

void process_port::recall_branch(std::uint32_t name, bool hard) {
  const std::shared_ptr<client> branch = me_->branch(name);
  if (branch && me_->core.usable()) me_->core.recall(*branch, hard);
}

void process_port::leave_branch(std::uint32_t name) {
  const std::shared_ptr<client> branch = me_->branch(name);
  if (!branch || !me_->core.usable()) return;
  me_->core.leave(*branch);
  const std::lock_guard guard(me_->mutex);
  me_->branches.erase(name);
}

bool process_port::fetch(inbox& into, events& to) {
  me_->check();
  const bool any = me_->tell_refused(to);
  return me_->core.take(*me_->who, into) || any;
}

void process_port::recall(bool hard) {
  if (me_->core.usable())
    me_->core.recall(*me_->who, hard);  // else a fork drops its copy of a run: no business of ours
}

bool process_port::collect(events& to) {
  me_->check();
  bool any = me_->tell_refused(to);
  if (me_->core.take(*me_->who, me_->came)) {
    me_->came.tell(to);
    any = true;
  }
  return any;
}

void process_port::wait(nanos until) {
  if (!me_->has_refused()) me_->core.wait(*me_->who, until);
}

bool process_port::arm(const detail::alarm* to) {
  if (!me_->core.usable()) return to != nullptr;
  return me_->core.arm(*me_->who, to) && !me_->has_refused();
}
void process_port::watch() { me_->core.watch_for(*me_->who); }

void process_port::listen() { me_->core.listen_for(*me_->who, {}); }
void process_port::listen(std::function<bool(const word&)> hear) { me_->core.listen_for(*me_->who, std::move(hear)); }
void process_port::overhear() { me_->core.overhear(); }

void process_port::away() {
  me_->check();
  me_->core.away();
}

void process_port::kick() noexcept { me_->core.kick(*me_->who); }

}  // namespace centimane::engine
