// thread_pool and its workers.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include "centimane/cpu_count.hpp"
#include "centimane/errors.hpp"
#include "centimane/then.hpp"
#include "centimane/thread_pool.hpp"
#include "platform/cpu_relax.hpp"
#include "platform/fork_generation.hpp"
#include "thread/deep_wait.hpp"
#include "thread/pool_core.hpp"
#include "thread/thread_place.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
namespace {

constexpr std::size_t ring_capacity = 1024;
/// A waiting worker runs other tasks only that deep: each lies on its stack. Beyond it, it runs the task it waits for,
/// or sleeps.
constexpr unsigned deepest_help = 64;

void to_stderr(std::exception_ptr e) {
  const any_error what(std::move(e));
  const std::string line =
      "centimane: a detached task ended in an exception: " + std::string(what.type_name()) + ": " + what.what() + "\n";
  std::fputs(line.c_str(), stderr);
}

}  // namespace

bool works_for(const pool_core* pool) noexcept { return here().pool == pool; }
bool helps_out() noexcept { return here().depth > 1; }
bool helps_too_deep() noexcept {
  const thread_place& place = here();
  return place.pool != nullptr && place.depth >= deepest_help;
}

pool_hold::pool_hold(thread_pool& pool) noexcept : core_(&pool_access::core(pool)) { core_->hold(); }
pool_hold::~pool_hold() {
  if (core_ != nullptr) core_->release();
}
void pool_hold::operator()(continuation what) const { core_->push(small_function(std::move(what))); }

pool_core::pool_core(std::size_t n, thread_pool::error_handler on_error)
    : born_(platform::fork_generation()),
      queue_(ring_capacity, n),
      on_error_(on_error ? std::move(on_error) : &to_stderr) {
  try {
    for (std::size_t i = 0; i < n; ++i) {
      worker& w = workers_.emplace_back();
      w.thread = std::thread([this, &w, i] { live(w, i); });
    }
  } catch (...) {
    close();
    throw;
  }
}

pool_core::~pool_core() = default;

void pool_core::close() noexcept {
  closing_.store(true);
  cancel_queued();
  for (worker& w : workers_) w.bed.ring();
  for (worker& w : workers_) {
    if (w.thread.joinable()) w.thread.join();
  }
  cancel_queued();
}

void pool_core::cancel_queued() noexcept {
  small_function task;
  while (queue_.pop(task) != task_ring::popped::none) task.reset();
}

bool pool_core::ours() const noexcept { return platform::fork_generation() == born_; }

void pool_core::push(small_function&& task) {
  if (!ours()) {
    throw pool_forked(
        "this thread pool belongs to the process that this one was forked from; its threads do not exist here: make a "
        "new pool after the fork");
  }
  // A task of this pool does not wait for room: it may be what keeps a worker from making some.
  queue_.push(std::move(task), works_for(this) ? task_ring::patience::none : task_ring::patience::some);
  notify();
  // Whoever sees `closing_` last, the submitter or close(), takes the task out again.
  if (closing_.load()) cancel_queued();
}

void pool_core::notify() {
  parking_.notify([this] { return more(); });
}

bool pool_core::run_one() {
  small_function task;
  if (queue_.pop(task) == task_ring::popped::none) return false;
  run(task, here());
  return true;
}

void pool_core::run(small_function& task, thread_place& place) noexcept {
  auto* const outer = std::exchange(place.stop, nullptr);
  ++place.depth;
  try {
    task();
  } catch (...) {
    on_error_(std::current_exception());
  }
  --place.depth;
  place.stop = outer;
}

void pool_core::live(worker& me, std::size_t index) {
  thread_place& place = here();
  place.claim = &queue_.claim_of(index);
  place.helper = this;
  place.pool = this;
  attend(
      me.bed, [this] { return closing_.load(std::memory_order_acquire); }, INT64_MAX);
}

void pool_core::attend(sleeper& me, condition done, std::int64_t until) {
  const auto is_more = [this] { return more(); };
  thread_place& place = here();
  const bool may_help = place.depth < deepest_help;
  task_ring::claim* const mine = place.pool == this ? place.claim : nullptr;
  bool searching = false;  // holds the flag
  bool owing = false;      // saw work after it gave the flag up: whoever relied on it is still to be served
  small_function task;
  const auto settle = [&] {
    if (std::exchange(searching, false)) {
      parking_.searched(is_more);
    } else if (owing) {
      parking_.pass_on(is_more);
    }
    owing = false;
  };
  while (!done()) {
    if (may_help) {
      const auto got = queue_.pop(task, mine);
      if (got != task_ring::popped::none) {
        if (got == task_ring::popped::several) notify();
        settle();
        run(task, place);
        continue;
      }
    }
    if (may_help && !searching && (searching = parking_.search())) {
      bool found = false;
      for (int i = place.searching.looks(); i > 0 && !found; --i) {
        platform::cpu_relax();
        found = more() || done();
      }
      place.searching.ended(found);
      if (found) continue;
    }
    berth bed(me);
    const std::uint32_t ticket = me.announce();
    if (may_help) parking_.park(bed);
    if (std::exchange(searching, false)) parking_.give_up();
    const bool queued = owing = may_help && more();
    woken why = woken::early;
    if (queued || done()) {
      me.awake();
    } else {
      why = me.sleep(ticket, until);
    }
    if (may_help) searching = parking_.leave(bed);
    if (why == woken::late) break;
    if (queued && !searching) std::this_thread::yield();  // a push is under way; its thread may need this processor
  }
  settle();
}

}  // namespace detail

thread_pool::thread_pool(count workers, error_handler on_detached_error) {
  const std::size_t n = workers == 0 ? cpu_count() : static_cast<std::size_t>(workers);
  core_.reset(new detail::pool_core(n, std::move(on_detached_error)));
}

thread_pool::~thread_pool() = default;

void thread_pool::closer::operator()(detail::pool_core* core) const noexcept {
  // After a fork there are no threads to wait for, and locks may be held by nobody: it is left as it is.
  if (!core->ours()) return;
  core->close();
  core->release();
}

void thread_pool::push(detail::small_function task) { core_->push(std::move(task)); }

std::size_t thread_pool::workers() const noexcept { return core_->workers(); }

thread_pool& thread_pool::shared() {
  // Never destroyed: tasks may still use it while statics are. Made anew after a fork.
  static std::atomic<thread_pool*> shared{nullptr};
  thread_pool* pool = shared.load(std::memory_order_acquire);
  while (pool == nullptr || !pool->core_->ours()) {
    auto* const mine = new thread_pool;
    if (shared.compare_exchange_strong(pool, mine)) {
      pool = mine;
    } else {
      delete mine;  // another thread was first
    }
  }
  return *pool;
}

}  // namespace v0
}  // namespace centimane
