// A pool of threads that runs single tasks.
//
//   cm::thread_pool pool(4);
//   auto sum = pool.submit([](int a, int b) { return a + b; }, 1, 2);     // future<int>
//   pool.detach([] { log("fire and forget"); });
//
// When to use: for single tasks. For one function and many items use parallel_map, which runs on threads by default.
// Performance: a task is queued without an allocation if callable and arguments take at most 48 bytes (detach), or with
// one (submit). Workers park when there is nothing to do; waking them costs the submitter a system call only if none is
// looking for work. Thread safety: any thread may submit and detach, tasks of the pool included. Tasks start roughly in
// order of submission; no order is promised. A task that waits for a future of whatever kind helps: its thread runs
// other tasks of the pool meanwhile.
#pragma once
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "centimane/detail/small_function.hpp"
#include "centimane/future.hpp"
#include "centimane/numbers.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
class pool_core;
template <class R, class F, class... A>
class pool_task;
/// Is this thread a worker of that pool?
[[nodiscard]] bool works_for(const pool_core* pool) noexcept;
/// Has an rvalue result a place of its own.
template <class R>
using kept_t = std::conditional_t<std::is_rvalue_reference_v<R>, std::remove_reference_t<R>, R>;
template <class F, class... A>
using task_result_t = kept_t<std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>>;
struct pool_access;
}  // namespace detail

class thread_pool {
 public:
  /// Receives what detached tasks throw, on the worker's thread. What it throws itself ends the program.
  using error_handler = std::function<void(std::exception_ptr)>;

  /// 0 workers: cpu_count() of them. Without an error handler, an exception of a detached task is written to stderr.
  /// Throws std::system_error if threads cannot be had.
  explicit thread_pool(count workers = 0, error_handler on_detached_error = {});
  /// Cancels what has not begun (its futures end in `cancelled`, detached tasks are dropped), waits for what runs. Not
  /// from a task of this pool.
  ~thread_pool();
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  /// Runs f(args...) on a worker. Callable and arguments are copied or moved into the task and given to it as rvalues.
  template <class F, class... A>
  requires std::invocable<std::decay_t<F>, std::decay_t<A>...> future<detail::task_result_t<F, A...>> submit(
      F&& f, A&&... args) {
    using task = detail::pool_task<detail::task_result_t<F, A...>, std::decay_t<F>, std::decay_t<A>...>;
    auto* made = new task(core_.get(), std::forward<F>(f), std::forward<A>(args)...);  // held twice: queue and future
    auto result = detail::future_access::make<detail::task_result_t<F, A...>>(made);
    push(detail::small_function(typename task::ticket(made)));
    return result;
  }

  /// Runs f() on a worker, without a result; an exception ends in the pool's error handler.
  template <class F>
  requires std::invocable<std::decay_t<F>>
  void detach(F&& f) { push(detail::small_function(std::forward<F>(f))); }

  [[nodiscard]] std::size_t workers() const noexcept;

  /// The process-wide pool of cpu_count() workers that parallel_map uses on threads. Made at first use, never
  /// destroyed.
  static thread_pool& shared();

 private:
  friend struct detail::pool_access;
  struct closer {
    void operator()(detail::pool_core* core) const noexcept;
  };
  void push(detail::small_function task);
  std::unique_ptr<detail::pool_core, closer> core_;
};

namespace detail {
/// A submitted task and its result, in one allocation.
template <class R, class F, class... A>
class pool_task final : public state_of<R> {
 public:
  template <class G, class... B>
  explicit pool_task(const pool_core* home, G&& f, B&&... args)
      : state_of<R>(2), home_(home), parts_(std::in_place, std::forward<G>(f), std::forward<B>(args)...) {}

  /// What lies in the queue: runs the task, or cancels it if it is dropped.
  class ticket {
   public:
    explicit ticket(pool_task* task) noexcept : task_(task) {}
    ticket(ticket&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    ticket& operator=(ticket&&) = delete;
    ~ticket() {
      if (task_ == nullptr) return;
      task_->cancel();
      task_->release();
    }
    void operator()() && noexcept {
      pool_task* task = std::exchange(task_, nullptr);
      if (task->begin()) task->run();
      task->release();
    }

   private:
    pool_task* task_;
  };

  bool run_here() noexcept override {
    if (!works_for(home_) || !this->begin()) return false;
    run();
    return true;
  }

 protected:
  void drop_task() noexcept override { parts_.reset(); }

 private:
  void run() noexcept {
    try {
      if constexpr (std::is_void_v<R>) {
        std::apply([](F&& f, A&&... args) { std::invoke(std::move(f), std::move(args)...); }, std::move(*parts_));
      } else {
        this->set(std::apply(
            [](F&& f, A&&... args) -> decltype(auto) { return std::invoke(std::move(f), std::move(args)...); },
            std::move(*parts_)));
      }
    } catch (...) {
      this->fail(std::current_exception());
    }
    parts_.reset();
    this->finish();
  }

  const pool_core* home_;
  std::optional<std::tuple<F, A...>> parts_;
};
}  // namespace detail

}  // namespace v0
}  // namespace centimane
