// The thread pool behind thread_pool: a queue, workers, and what a worker does while it has nothing to do or waits for
// something. Both are one loop, attend(): run what is queued, else search for a moment, else park, until the condition
// holds.
//
// Thread safety: push, run_one: any thread. attend: the pool's workers.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "centimane/detail/future_state.hpp"
#include "centimane/thread_pool.hpp"
#include "thread/parking.hpp"
#include "thread/task_ring.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

struct thread_place;

class pool_core final : public attendant {
 public:
  pool_core(std::size_t workers, thread_pool::error_handler on_error);
  /// Precondition: closed.
  ~pool_core();
  /// Cancels what is queued, waits for what runs. What is pushed then is dropped at once.
  void close() noexcept;
  /// It lives until everybody has let it go: the pool, once it has closed it, and continuations that are still to come.
  void hold() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Throws pool_forked in a child of the process whose threads these are.
  void push(small_function&& task);
  /// Are its threads threads of this process?
  [[nodiscard]] bool ours() const noexcept;
  /// Runs one queued task on this thread, if there is one.
  bool run_one();
  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }

  void attend(sleeper& me, condition done, std::int64_t until) override;

 private:
  struct worker {
    sleeper bed;
    std::thread thread;
  };
  void run(small_function& task, thread_place& place) noexcept;
  void notify();
  void cancel_queued() noexcept;
  void live(worker& me, std::size_t index);
  [[nodiscard]] bool more() const noexcept { return !queue_.empty(); }

  const std::uint32_t born_;  ///< the process generation
  task_ring queue_;
  parking parking_;
  std::atomic<bool> closing_{false};
  std::atomic<std::uint32_t> holders_{1};
  const thread_pool::error_handler on_error_;
  std::deque<worker> workers_;
};

struct pool_access {
  static pool_core& core(thread_pool& pool) noexcept { return *pool.core_; }
};

/// Is the task on top of this thread's stack run by a worker that waits for something further down?
[[nodiscard]] bool helps_out() noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace centimane
