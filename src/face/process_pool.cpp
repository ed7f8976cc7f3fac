// Submitted tasks: one port, used by whoever submits and by a settling thread that reads results, under one lock.
#include "centimane/process_pool.hpp"

#include <condition_variable>
#include <deque>
#include <thread>
#include <unordered_map>

#include "centimane/detail/run_request.hpp"
#include "face/pool_access.hpp"
#include "face/warm_pools.hpp"
#include "process/pool.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class submissions final : public engine::payload, public engine::events {
 public:
  submissions(std::shared_ptr<engine::pool> where, nanos task_timeout)
      : pool_(std::move(where)), port_(std::make_unique<engine::process_port>(pool_, *this, task_timeout)) {}

  [[nodiscard]] const std::shared_ptr<engine::pool>& pool() const noexcept { return pool_; }
  /// Throws if nothing more may be asked of the pool.
  [[nodiscard]] const std::shared_ptr<engine::pool>& pool_for_a_run() {
    std::lock_guard guard(lock_);
    if (closed_) throw pool_closed("centimane: this process_pool is closed");
    return pool_;
  }

  /// Holds the state until it is ready.
  void send(submitted_state& what, table_of_task* how) {
    std::lock_guard guard(lock_);
    if (closed_) throw pool_closed("centimane: this process_pool is closed");
    start_settler();
    const index id = next_;
    tasks_.emplace(id, task{&what, definition_of(how)});
    waiting_.push_back(id);
    what.state().hold();
    ++next_;
    start_waiting();
    news_.notify_all();
  }

  void close() noexcept {
    std::lock_guard guard(lock_);
    closed_ = true;
  }
  void cancel_waiting() {
    std::deque<index> dropped;
    {
      std::lock_guard guard(lock_);
      dropped.swap(waiting_);
    }
    engine::trouble why;
    why.how = policy::outcome::cancelled;
    why.text = "the pool was closed before it began";
    for (index id : dropped) end_unbegun(id, explain(why, describe(id), 1));
  }
  void wait_until_empty() {
    std::unique_lock guard(lock_);
    empty_.wait(guard, [&] { return tasks_.empty(); });
  }
  /// After it nothing of this is used by any thread.
  void stop_settler() {
    {
      std::lock_guard guard(lock_);
      quit_ = true;
      news_.notify_all();
    }
    if (settler_.joinable()) settler_.join();
    port_.reset();
  }

  // ---- payload: encode hands over what submit() wrote; the rest stores outcomes
  engine::pulled pull(index) override { return {0, 0, true, false}; }
  verdict encode(index item, writer& out) override {
    submitted_state& what = *tasks_.at(item).what;
    out.bytes(what.record.data(), what.record.size());
    what.record = writer();
    return {};
  }
  verdict decode(index, bool, reader) override { return {}; }
  verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index item) const override { return tasks_.at(item).definition; }
  verdict fail(index, std::uint32_t, const engine::trouble&) override { return {}; }
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
        tasks_.at(item).what->read(record);
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
    ended_.push_back({item, std::make_exception_ptr(payload_error("centimane: a task could not be written"))});
  }

 private:
  struct task {
    submitted_state* what;
    std::uint64_t definition;
  };
  struct end_of {
    index item;
    std::exception_ptr error;
  };

  std::uint64_t definition_of(table_of_task* how) {
    auto [at, is_new] = definitions_.try_emplace(how, 0);
    if (is_new) {
      writer blob;
      write_function(blob, how);
      blob.raw(std::uint8_t{0});
      at->second = port_->define(blob.view());
    }
    return at->second;
  }

  /// Gives the workers as many tasks as they have room for; the rest can still be cancelled.
  void start_waiting() {
    for (index room = waiting_.empty() ? 0 : port_->room(); room > 0 && !waiting_.empty(); --room) {
      index id = waiting_.front();
      waiting_.pop_front();
      submitted_state& what = *tasks_.at(id).what;
      if (!what.state().begin()) {  // cancelled, and finished by whoever cancelled it
        tasks_.erase(id);
        what.state().release();
        if (tasks_.empty()) empty_.notify_all();
        ++room;
        continue;
      }
      ++running_;
      port_->start(id, 1, 1);
    }
  }

  void end(index id, std::exception_ptr e) {
    submitted_state* what = nullptr;
    {
      std::lock_guard guard(lock_);
      auto at = tasks_.find(id);
      if (at == tasks_.end()) return;
      what = at->second.what;
      tasks_.erase(at);
    }
    future_state& s = what->state();
    if (e) s.fail(std::move(e));
    s.finish();
    s.release();
    std::lock_guard guard(lock_);
    if (tasks_.empty()) empty_.notify_all();
  }

  /// A task that waits here may have been cancelled by its future meanwhile, and is ready then.
  void end_unbegun(index id, std::exception_ptr e) {
    submitted_state* what = nullptr;
    {
      std::lock_guard guard(lock_);
      auto at = tasks_.find(id);
      if (at == tasks_.end()) return;
      what = at->second.what;
      if (!what->state().begin()) {
        tasks_.erase(at);
        what->state().release();
        if (tasks_.empty()) empty_.notify_all();
        return;
      }
    }
    end(id, std::move(e));
  }

  void start_settler() {
    if (!settler_.joinable()) settler_ = std::thread([this] { settle(); });
  }

  void settle() {
    std::unique_lock guard(lock_);
    for (;;) {
      news_.wait(guard, [&] { return quit_ || running_ > 0; });
      if (quit_) return;
      std::vector<end_of> ended;
      try {
        port_->collect(*this);
        running_ -= ended_.size();
        start_waiting();
      } catch (...) {  // the pool is gone: so is all that it was given
        for (index id : waiting_) {
          if (auto at = tasks_.find(id); at != tasks_.end() && !at->second.what->state().begin()) {
            at->second.what->state().release();
            tasks_.erase(at);
          }
        }
        for (auto& [id, t] : tasks_) ended_.push_back({id, std::current_exception()});
        running_ = 0;
        waiting_.clear();
        closed_ = true;
        if (tasks_.empty()) empty_.notify_all();
      }
      ended.swap(ended_);
      guard.unlock();
      for (auto& e : ended) end(e.item, std::move(e.error));
      if (ended.empty()) port_->wait(policy::never);
      guard.lock();
    }
  }

  std::shared_ptr<engine::pool> pool_;
  std::mutex lock_;
  std::condition_variable news_, empty_;
  std::unordered_map<index, task> tasks_;
  std::deque<index> waiting_;
  std::unordered_map<table_of_task*, std::uint64_t> definitions_;
  std::vector<end_of> ended_;
  std::unique_ptr<engine::process_port> port_;
  std::thread settler_;
  index next_ = 0, running_ = 0;
  bool closed_ = false, quit_ = false;
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
}
void process_pool::terminate() {
  core_->close();
  core_->cancel_waiting();
  core_->pool()->close(0);
  core_->wait_until_empty();
}
std::size_t process_pool::workers() const noexcept { return core_->pool()->workers(); }
void process_pool::send(detail::submitted_state& what, detail::table_of_task* how) { core_->send(what, how); }

}  // namespace v0
}  // namespace centimane
