// Submitted tasks: one port, used by whoever submits, and by one thread at a time that fetches results: a thread that
// waits for one of them, or, if none does, the settling thread. All under one lock.
#include "centimane/process_pool.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>
#include <unordered_map>
#include <utility>

#include "centimane/detail/run_request.hpp"
#include "centimane/errors.hpp"
#include "face/log_teller.hpp"
#include "face/pool_access.hpp"
#include "face/warm_pools.hpp"
#include "platform/clock.hpp"
#include "process/pool.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

namespace {

/// For so long after somebody began or stopped to wait, the settling thread leaves the fetching to those who wait: a
/// thread that waits for its result is woken by the worker itself, without a third thread between them.
constexpr nanos grace = 200'000;
/// The settling thread looks around at growing intervals after the last task, so that the next one need not wake it.
constexpr nanos longest_doze = 20'000'000;
/// Who has waited that long says so when it stops: the settling thread's intervals have grown.
constexpr nanos long_wait = 5'000'000;
/// Tasks that are submitted while every worker has some more in hand are sent on in bundles of that many.
constexpr index bundle = 32;

}  // namespace

class submissions final : public engine::payload,
                          public engine::events,
                          public attendant,
                          public std::enable_shared_from_this<submissions> {
 public:
  submissions(std::shared_ptr<engine::pool> where, nanos task_timeout)
      : pool_(std::move(where)),
        port_(std::make_unique<engine::process_port>(pool_, *this, task_timeout)),
        busy_(2 * index{pool_->workers()}) {
    port_->listen([this](const engine::word& what) {
      teller_.take(what);
      return false;  // nobody who waits for a result need wake up for it
    });
  }

  [[nodiscard]] const std::shared_ptr<engine::pool>& pool() const noexcept { return pool_; }
  /// Throws if nothing more may be asked of the pool.
  [[nodiscard]] const std::shared_ptr<engine::pool>& pool_for_a_run() {
    std::lock_guard guard(lock_);
    if (closed_) throw pool_closed("centimane: this process_pool is closed");
    return pool_;
  }

  /// Holds the state until it is ready.
  void send(submitted_state& what, table_of_task* how) {
    if (!pool_->usable())
      throw pool_forked("centimane: this pool belongs to the process that made it, not to its fork");
    const std::lock_guard guard(lock_);
    if (closed_) throw pool_closed("centimane: this process_pool is closed");
    start_settler();
    const index id = base_ + tasks_.size();
    const std::uint64_t definition = definition_of(how);
    waiting_.push_back(id);
    try {
      tasks_.push_back({&what, definition});
    } catch (...) {
      waiting_.pop_back();
      throw;
    }
    what.home = shared_from_this();
    what.state().hold();
    if (open_++ == 0) touched_ = platform::now();
    if (running_ < busy_ || waiting_.size() % bundle == 0) start_waiting();
    if (dozing_) news_.notify_all();
  }

  void close() noexcept {
    const std::lock_guard guard(lock_);
    closed_ = true;
  }
  void cancel_waiting() {
    std::deque<index> dropped;
    {
      const std::lock_guard guard(lock_);
      dropped.swap(waiting_);
    }
    engine::trouble why;
    why.how = policy::outcome::cancelled;
    why.text = "the pool was closed before it began";
    for (const index id : dropped) {
      submitted_state* const what = take(id);
      future_state& s = what->state();
      // A task that waits here may have been cancelled by its future meanwhile, and is ready then.
      if (s.begin()) {
        s.fail(explain(why, describe(id), 1));
        s.finish();
      }
      s.release();
    }
    closed(dropped.size());
  }
  void wait_until_empty() {
    std::unique_lock guard(lock_);
    empty_.wait(guard, [&] { return open_ == 0; });
  }
  /// What tasks that have ended have said is with the handler after that.
  void wait_until_told() {
    if (!pool_->usable()) return;
    port_->overhear();
    teller_.wait_until_told();
  }
  /// After it nothing of this is used by any thread.
  void stop_settler() {
    {
      std::unique_lock guard(lock_);
      quit_ = true;
      news_.notify_all();
      empty_.wait(guard, [&] { return attending_ == 0; });
    }
    if (settler_.joinable()) settler_.join();
    wait_until_told();
    port_.reset();
  }

  // ---- attendant: whoever waits for one of our results fetches them, one thread at a time
  void attend(sleeper& me, condition done, std::int64_t until) override {
    std::unique_lock guard(lock_);
    if (quit_) return;
    ++attending_;
    if (fetching_ || alone_) {  // somebody else fetches, and rings us
      ++onlookers_;
      guard.unlock();
      const std::uint32_t ticket = me.announce();
      if (done()) {
        me.awake();
      } else {
        me.sleep(ticket, until);
      }
      guard.lock();
      --onlookers_;
    } else {
      fetch_for(me, done, until, guard);
    }
    if (--attending_ == 0 && quit_) empty_.notify_all();
  }
  void go_alone() override {
    const std::lock_guard guard(lock_);
    if (!std::exchange(alone_, true)) news_.notify_all();
  }

  // ---- payload: encode hands over what submit() wrote; the rest stores outcomes
  engine::pulled pull(index) override { return {0, 0, true, false}; }
  verdict encode(index item, writer& out) override {
    submitted_state& what = *at(item).what;
    const auto bytes = what.record.view();
    out.bytes(bytes.data(), bytes.size());
    what.record.drop();
    return {};
  }
  verdict decode(index, bool, reader) override { return {}; }
  verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index item) const override { return at(item).definition; }
  verdict fail(index, std::uint32_t, const engine::trouble&) override { return {}; }
  verdict not_sent(index item, std::exception_ptr why) override {
    refusals_[item] = std::move(why);
    return {false, false, 0};
  }
  bool settled(index, bool, std::uint32_t, int) override { return true; }
  bool settled_values(index, index, int) override { return true; }
  [[nodiscard]] bool wants_each() const override { return true; }
  bool idle(void (*sleep)(void*), void* context) override {
    sleep(context);
    return true;
  }
  [[nodiscard]] std::string describe(index item) const override { return "task " + std::to_string(item); }

  // ---- events: within collect, lock_ held
  void values(index, index, int) override {}
  void invoked(index, std::uint32_t, int, verdict) override {}
  void returned(index item, std::uint32_t, int, bool ok, verdict, reader record) override {
    std::exception_ptr e;
    bool named = false;
    if (!ok) {
      e = read_error(record, named);
    } else {
      try {
        at(item).what->read(record);
      } catch (...) {
        e = describe_payload_error("read_result", "a result could not be read", typeid(void).name());
      }
    }
    ended_.push_back({item, std::move(e)});
  }
  void lost(index item, std::uint32_t attempt, const engine::trouble& why) override {
    ended_.push_back({item, explain(why, describe(item), attempt)});
  }
  void refused(index item, std::uint32_t, verdict) override {
    const auto why = refusals_.extract(item);
    ended_.push_back(
        {item, why ? why.mapped() : std::make_exception_ptr(payload_error("centimane: a task could not be written"))});
  }

 private:
  std::unordered_map<index, std::exception_ptr> refusals_;  ///< of tasks that there is no memory for
  struct task {
    submitted_state* what;  ///< null: it has ended
    std::uint64_t definition;
  };
  struct end_of {
    index item;
    std::exception_ptr error;
    submitted_state* what = nullptr;
  };

  [[nodiscard]] task& at(index id) { return tasks_[static_cast<std::size_t>(id - base_)]; }
  [[nodiscard]] const task& at(index id) const { return tasks_[static_cast<std::size_t>(id - base_)]; }

  std::uint64_t definition_of(table_of_task* how) {
    if (how == last_table_) return last_definition_;
    auto [at, is_new] = definitions_.try_emplace(how, 0);
    if (is_new) {
      writer blob;
      write_function(blob, how);
      blob.raw(std::uint8_t{0});
      at->second = port_->define(blob.view());
    }
    last_table_ = how;
    return last_definition_ = at->second;
  }

  /// Gives the workers as many tasks as they have room for, those in a row as one range; the rest can still be
  /// cancelled.
  void start_waiting() {
    index first = 0, n = 0;
    const auto hand_in = [&] {
      if (n == 0) return;
      running_ += n;
      port_->start(first, std::exchange(n, 0), 1);
    };
    for (index room = waiting_.empty() ? 0 : port_->room(); room > 0 && !waiting_.empty();) {
      const index id = waiting_.front();
      waiting_.pop_front();
      future_state& s = at(id).what->state();
      if (!s.begin()) {  // cancelled, and finished by whoever cancelled it
        forget(id);
        s.release();
        if (--open_ == 0) empty_.notify_all();
        continue;
      }
      if (n != 0 && id != first + n) hand_in();
      if (n == 0) first = id;
      ++n;
      --room;
    }
    hand_in();
  }

  /// The task has its outcome.
  void forget(index id) {
    at(id).what = nullptr;
    while (!tasks_.empty() && tasks_.front().what == nullptr) {
      tasks_.pop_front();
      ++base_;
    }
  }
  submitted_state* take(index id) {
    const std::lock_guard guard(lock_);
    submitted_state* const what = at(id).what;
    forget(id);
    return what;
  }
  /// Their futures are ready.
  void closed(index n) {
    const std::lock_guard guard(lock_);
    open_ -= n;
    if (open_ == 0) empty_.notify_all();
  }

  void start_settler() {
    if (!settler_.joinable()) settler_ = std::thread([this] { settle(); });
  }

  /// Takes what has come, starts what waits, and makes futures ready, these without the lock. False: nothing had come.
  /// Who calls it has set `fetching_`.
  bool fetch(std::unique_lock<std::mutex>& guard) {
    std::vector<end_of> ended = std::move(settled_);
    ended.clear();
    try {
      port_->collect(*this);
      running_ -= ended_.size();
      start_waiting();
    } catch (...) {  // the pool is gone: so is all that it was given
      give_up(std::current_exception());
    }
    ended.swap(ended_);
    const bool any = !ended.empty();
    for (end_of& e : ended) {
      e.what = at(e.item).what;
      forget(e.item);
    }
    if (any) {
      guard.unlock();
      for (end_of& e : ended) {
        future_state& s = e.what->state();
        if (e.error) s.fail(std::move(e.error));
        s.finish();
        s.release();
      }
      guard.lock();
      open_ -= ended.size();
      if (open_ == 0) empty_.notify_all();
    }
    settled_ = std::move(ended);  // for its memory
    return any;
  }
  void give_up(const std::exception_ptr& why) {
    for (const index id : waiting_) {
      future_state& s = at(id).what->state();
      if (!s.begin()) {
        forget(id);
        s.release();
        --open_;
      }
    }
    std::vector<bool> told(tasks_.size());
    for (const end_of& e : ended_) told[static_cast<std::size_t>(e.item - base_)] = true;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (tasks_[i].what != nullptr && !told[i]) ended_.push_back({base_ + i, why});
    }
    running_ = 0;
    waiting_.clear();
    closed_ = true;
    if (open_ == 0) empty_.notify_all();
  }

  void fetch_for(sleeper& me, condition done, std::int64_t until, std::unique_lock<std::mutex>& guard) {
    const alarm bell{[](void* port) noexcept { static_cast<engine::process_port*>(port)->kick(); }, port_.get()};
    fetching_ = true;
    entered_ = platform::now();
    me.divert(&bell);
    while (!done() && !alone_ && !quit_) {
      if (fetch(guard) || done()) continue;
      guard.unlock();
      port_->wait(until);
      const bool late = until != INT64_MAX && platform::now() >= until;
      guard.lock();
      if (late) break;
    }
    me.divert(nullptr);
    fetching_ = false;
    touched_ = platform::now();
    if (onlookers_ > 0 || touched_ - entered_ > long_wait) {
      touched_ = 0;  // at once
      news_.notify_all();
    }
  }

  /// The settling thread: for futures that nobody waits for, or several do.
  void settle() {
    std::unique_lock guard(lock_);
    nanos quiet = grace;
    const auto rest = [&](nanos how_long) { news_.wait_for(guard, std::chrono::nanoseconds(how_long)); };
    while (!quit_) {
      if (running_ == 0 && waiting_.empty()) {
        if (quiet < longest_doze) {
          rest(quiet);
          quiet *= 2;
        } else {
          dozing_ = true;
          news_.wait(guard);
          dozing_ = false;
          quiet = grace;
        }
        continue;
      }
      quiet = grace;
      const nanos now = platform::now();
      if (fetching_) {
        rest(std::clamp(now - entered_, grace, 10 * longest_doze));
        continue;
      }
      if (!alone_ && now - touched_ < grace) {
        rest(grace - (now - touched_));
        continue;
      }
      fetching_ = true;
      if (!fetch(guard)) {
        guard.unlock();
        port_->wait(policy::never);
        guard.lock();
      }
      fetching_ = false;
    }
  }

  const std::shared_ptr<engine::pool> pool_;
  std::mutex lock_;
  std::condition_variable news_, empty_;
  std::deque<task> tasks_;  ///< from base_ on
  index base_ = 0;
  std::deque<index> waiting_;
  std::unordered_map<table_of_task*, std::uint64_t> definitions_;
  table_of_task* last_table_ = nullptr;
  std::uint64_t last_definition_ = 0;
  std::vector<end_of> ended_, settled_;
  log_teller teller_;
  std::unique_ptr<engine::process_port> port_;
  const index busy_;   ///< with fewer running, some worker may have nothing to do
  index open_ = 0;     ///< tasks whose futures are not ready
  index running_ = 0;  ///< given to workers
  nanos touched_ = 0;  ///< since when the settling thread's grace runs
  nanos entered_ = 0;  ///< since when somebody fetches
  std::size_t attending_ = 0, onlookers_ = 0;
  bool fetching_ = false;  ///< somebody has the baton
  bool alone_ = false;     ///< it is the settling thread's for good
  bool dozing_ = false, closed_ = false, quit_ = false;
  std::thread settler_;
};

std::shared_ptr<engine::pool> engine_pool_of(const process_pool& pool) { return pool.core_->pool_for_a_run(); }

}  // namespace detail

process_pool::process_pool(count workers, const process_pool_options& how) {
  if (workers > 4096u) throw std::invalid_argument("centimane: workers must be at most 4096");
  auto pool = engine::new_pool({workers, how.worker_init.packed(), how.max_tasks_per_worker});
  core_ = std::make_shared<detail::submissions>(std::move(pool), detail::nanos_of(how.task_timeout));
}

process_pool::~process_pool() {
  core_->close();
  core_->cancel_waiting();
  if (core_->pool()->usable()) {
    core_->pool()->close(3'000'000'000);
    core_->wait_until_empty();
  }
  core_->stop_settler();
}

void process_pool::close() noexcept { core_->close(); }
void process_pool::join() {
  core_->close();
  core_->wait_until_empty();
  core_->pool()->close(1'000'000'000);
  core_->wait_until_told();
}
void process_pool::terminate() {
  core_->close();
  core_->cancel_waiting();
  core_->pool()->close(0);
  core_->wait_until_empty();
  core_->wait_until_told();
}
std::size_t process_pool::workers() const noexcept { return core_->pool()->workers(); }
void process_pool::send(detail::submitted_state& what, detail::table_of_task* how) { core_->send(what, how); }

}  // namespace v0
}  // namespace centimane
