#include "centimane/detail/carrier.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <variant>

#include "centimane/thread_pool.hpp"
#include "face/events.hpp"
#include "face/log.hpp"
#include "face/pool_access.hpp"
#include "face/rate.hpp"
#include "face/warm_pools.hpp"
#include "platform/clock.hpp"
#include "run/driver.hpp"
#include "thread/crew.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

/// What a run admits at most unless it is told. An input that is there by index costs nothing to admit.
constexpr index window_of_streams = 1024, window_of_pulled_maps = 4096, window_of_arrays = index{1} << 40;

/// Threads beyond the shared pool's: one pool a number of workers, kept.
thread_pool& threads_for(std::size_t workers) {
  if (workers <= thread_pool::shared().workers()) return thread_pool::shared();
  static std::mutex& lock = *new std::mutex;
  static auto& pools = *new std::map<std::size_t, std::unique_ptr<thread_pool>>;
  std::lock_guard guard(lock);
  auto& p = pools[workers];
  if (!p) p = std::make_unique<thread_pool>(workers);
  return *p;
}

policy::rules rules_of(const run_request& how, policy::tokens* limit) {
  policy::rules r;
  r.total = how.total;
  r.window = how.window != 0 ? how.window
             : how.stream    ? window_of_streams
             : how.total     ? window_of_arrays
                             : window_of_pulled_maps;
  if (how.window_bytes != 0) r.window_bytes = how.window_bytes;
  r.stream = how.stream;
  r.ordered = how.ordered;
  r.deadline = how.deadline;
  if (how.max_errors) r.max_errors = *how.max_errors - 1;
  r.limit = limit;
  if (how.retry) {
    r.attempts = static_cast<std::uint32_t>(static_cast<std::size_t>(how.retry->attempts));
    r.backoff = how.retry->backoff.get().count();
    r.max_delay = how.retry->max_delay.infinite() ? policy::never : how.retry->max_delay.get().count();
    r.max_server_wait =
        how.retry->max_server_wait.infinite() ? policy::never : how.retry->max_server_wait.get().count();
    r.jitter = how.retry->jitter;
    r.seed = static_cast<std::uint64_t>(platform::now());
  }
  return r;
}

}  // namespace

struct carrier::parts {
  std::shared_ptr<engine::budget> limit;  ///< null: none
  std::optional<engine::watch> eyes;
  std::unique_ptr<engine::port> where;
  std::optional<engine::driver> drive;
  bool on_processes = false;
};

carrier::carrier(map_core& work, const run_request& how) : parts_(std::make_unique<parts>()) {
  parts& p = *parts_;
  if (how.rate_limit) p.limit = budget_of(*how.rate_limit);
  const policy::rules rules = rules_of(how, p.limit.get());
  if (how.insights || !how.trace.empty() || how.on_event) {
    engine::watch::wishes wishes;
    wishes.trace = how.trace;
    if (how.on_event) {
      wishes.hook = [&work, tell = how.on_event](const engine::happening& what) {
        return work.tell_user([&] { tell(event_of(what)); });
      };
    }
    p.eyes.emplace(std::move(wishes));
  }
  const bool in_order =
      how.executor.which() == executor::kind::sequential ||
      (how.executor.which() == executor::kind::thread && how.workers == 1 && how.executor.pool() == nullptr);
  if (in_order) {
    // A stream's consumer sees an item before the next is run.
    const bool each_alone =
        p.limit != nullptr || how.chunk_size == 1 || how.stream || work.wants_each() || work.records();
    auto solo = std::make_unique<engine::solo>(work, each_alone);
    solo->limit(how.task_timeout);
    p.where = std::move(solo);
  } else if (how.executor.which() == executor::kind::thread) {
    auto* given = static_cast<thread_pool*>(how.executor.pool());
    thread_pool& pool = given != nullptr ? *given : threads_for(how.workers);
    // A value is recorded when it is there, not with its neighbours.
    const bool each_alone =
        p.limit != nullptr || how.chunk_size == 1 || work.records() || how.task_timeout != policy::never;
    auto crew = std::make_unique<engine::crew>(work, static_cast<std::uint32_t>(how.workers), each_alone, pool);
    crew->limit(how.task_timeout);
    // With a clock, a stop, a count of errors, a callback or a consumer to see to, the driver keeps its hands free.
    const bool nothing_to_watch = !each_alone && !how.stream && !work.wants_each() && !how.retry && !how.max_errors &&
                                  how.deadline == policy::never && !how.stop.stop_possible() && how.total;
    if (nothing_to_watch) crew->driver_works();
    if (p.limit) crew->draw_from(*p.limit, rules.draw_patience);
    p.where = std::move(crew);
  } else {
    writer blob;
    work.define(blob);  // before a worker is started: what cannot travel is refused at once
    auto pool = how.executor.pool() != nullptr
                    ? engine_pool_of(*static_cast<process_pool*>(how.executor.pool()))
                    : engine::warm_pool({how.workers, how.worker_set_up, how.max_tasks_per_worker});
    auto port = std::make_unique<engine::process_port>(std::move(pool), work, how.task_timeout);
    if (p.limit || how.chunk_size == 1) {
      port->depth(1);
    } else if (work.records()) {
      port->depth(2);  // workers that run far ahead of what is recorded would lose it with the driver
    }
    work.defined_as(port->define(blob.view()));
    p.on_processes = true;
    p.where = std::move(port);
  }
  p.drive.emplace(work, *p.where, rules, work.records() ? &work : nullptr, p.eyes ? &*p.eyes : nullptr);
  if (p.on_processes) {
    p.drive->listen([&work](const engine::word& what) { return work.tell_user([&] { hear(what); }); });
  }
  work.count_starts([](const void* drive) { return static_cast<const engine::driver*>(drive)->count().started; },
                    &*p.drive);
  // Executors look at the token when something has ended; nothing may begin if it was set before.
  if (how.stop.stop_requested()) p.drive->stop();
}

carrier::~carrier() {
  parts_->drive.reset();  // recalls
  if (parts_->eyes && !parts_->eyes->trouble().empty()) {
    const std::string line = "centimane: there is no trace of a run: " + parts_->eyes->trouble() + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  parts_->where.reset();  // waits for hands
}

policy::status carrier::finish() { return parts_->drive->finish(); }
carrier::stretch carrier::next() {
  auto s = parts_->drive->next();
  return {s.first, s.count};
}
void carrier::consumed(index n, std::uint64_t bytes) { parts_->drive->consumed(n, bytes); }
void carrier::stop() { parts_->drive->stop(); }
policy::status carrier::status() const { return parts_->drive->status(); }
index carrier::known() const { return parts_->drive->count().known; }
insights carrier::insights() const { return parts_->drive->look(); }
index carrier::not_started() const { return parts_->drive->count().not_started; }

}  // namespace detail
}  // namespace v0
}  // namespace centimane
