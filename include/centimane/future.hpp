// A result that is not there yet: what submit() of a thread_pool or a process_pool gives.
//
//   cm::thread_pool pool;
//   cm::future<int> answer = pool.submit([](int n) { return n * n; }, 7);
//   use(answer.get());
//
// When to use: for single tasks of different kinds. For one function and many items, parallel_map is shorter and
// faster. Performance: one allocation a task, shared with the task itself. Thread safety: a future belongs to one
// thread at a time; different futures are independent. A worker of a thread pool that waits for a future runs other
// tasks of its pool meanwhile, so tasks may wait for tasks.
#pragma once
#include <type_traits>
#include <utility>

#include "centimane/detail/future_state.hpp"
#include "centimane/numbers.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
struct future_access;
[[noreturn]] void throw_no_state();
/// now + span, on the monotonic clock.
[[nodiscard]] std::int64_t deadline_in(time_span span) noexcept;
}  // namespace detail

/// Move-only. Leaving it behind neither waits nor cancels: the task runs on, its result is dropped.
template <class R>
class [[nodiscard]] future {
 public:
  using result_type = R;

  /// Without a state: valid() is false.
  future() noexcept = default;

  /// Waits, then gives the value or throws the task's exception: its own, `cancelled`, or what became of its worker.
  /// The future is without state afterwards. Throws std::logic_error if it already is.
  R get() {
    need();
    auto mine = std::move(state_);
    if (!mine->ready()) mine->wait(INT64_MAX);
    return mine->take();
  }
  /// Waits until ready(). Throws std::logic_error if not valid(), as the next ones do.
  void wait() const {
    need();
    if (!state_->ready()) state_->wait(INT64_MAX);
  }
  /// Waits for at most that long; true if ready.
  [[nodiscard]] bool wait_for(time_span limit) const {
    need();
    return state_->ready() || state_->wait(detail::deadline_in(limit));
  }
  /// Has the task ended (or been cancelled)? get() then does not wait.
  [[nodiscard]] bool ready() const noexcept { return state_ && state_->ready(); }
  /// Takes the task back if it has not begun. True if so: get() then throws `cancelled`.
  bool cancel() noexcept { return state_ && state_->cancel(); }
  /// Is there a result to come or to take?
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }

 private:
  friend struct detail::future_access;
  explicit future(detail::state_ref<detail::state_of<R>> s) noexcept : state_(std::move(s)) {}
  void need() const {
    if (!state_) detail::throw_no_state();
  }
  detail::state_ref<detail::state_of<R>> state_;
};

namespace detail {
/// For pools and for those who wait for many futures.
struct future_access {
  /// Takes over one hold of the state.
  template <class R>
  static future<R> make(state_of<R>* held) noexcept {
    return future<R>(state_ref<state_of<R>>(held));
  }
  template <class R>
  static future_state* state(const future<R>& f) noexcept {
    return f.state_.get();
  }
};

template <class T>
struct is_future : std::false_type {};
template <class R>
struct is_future<future<R>> : std::true_type {};
}  // namespace detail

}  // namespace v0
}  // namespace centimane
