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
#include <concepts>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "centimane/detail/future_state.hpp"
#include "centimane/numbers.hpp"

namespace centimane {
inline namespace v0 {

class continuation;
class thread_pool;

namespace detail {
struct future_access;
/// Tells then()'s overloads apart: is W a callable that takes continuations?
template <class W, class F>
concept hands_over = !std::same_as<std::remove_cvref_t<F>, std::stop_token> && std::invocable<W&, continuation>;
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
  /// Takes the task back if it has not begun. True if so: get() then throws `cancelled`. A future that was made of
  /// others (then, when_all, when_any) takes those back as well.
  bool cancel() noexcept { return state_ && state_->cancel(); }
  /// Is there a result to come or to take?
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }

  /// The future of what f makes of this one's result, in a worker of `pool`. This one is without state afterwards. To
  /// be had by <centimane/then.hpp>.
  ///
  /// f is called with the value (with nothing, if that is void), and an exception passes by without calling it; or, if
  /// it cannot be called so, with this future, ready, and sees either. It is called once, as an rvalue. If it gives a
  /// future, the result is that one's. What f throws ends the future, as does `cancelled` if the pool is gone by the
  /// time.
  ///
  /// cancel(), or a request of `stop`, takes f back if it has not begun, and what it waits for with it; once f has
  /// given a future, that one. Throws std::logic_error if not valid().
  template <class F>
  auto then(thread_pool& pool, F&& f, std::stop_token stop = {});
  /// The same in thread_pool::shared(), whose workers are as many as processors: for f that do not block for long.
  template <class F>
  auto then(F&& f, std::stop_token stop = {});
  /// The same wherever `hand_over(continuation)` takes it. That is called once, by the thread which makes this future
  /// ready, whichever that is (this one, if it is): it must be quick, and rather not call the continuation itself. What
  /// it throws ends the future.
  template <class W, class F>
  requires detail::hands_over<W, F>
  auto then(W&& hand_over, F&& f, std::stop_token stop = {});

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

/// For as_completed and wait.
template <class T>
struct kept_future {
  static constexpr bool value = std::is_lvalue_reference_v<T> && is_future<std::remove_cvref_t<T>>::value;
  static_assert(value,
                "centimane: as_completed and wait take a range of futures, or futures that you keep, by "
                "std::tie(first, second)");
};
}  // namespace detail

}  // namespace v0
}  // namespace centimane
