// co_await for futures: a coroutine waits for a task, and no thread sleeps for it.
//
//   my_task<double> total(cm::thread_pool& io, cm::process_pool& cpu, std::stop_token stop) {
//     std::string text = co_await cm::resume_on(io, io.submit(read_file, "a.txt"), stop);
//     co_return co_await cm::resume_on(io, cpu.submit(crunch, text), stop);
//   }
//
// The coroutine's own type is yours, or any library's: this one has none, and the umbrella header does not include this
// file. Performance: no allocation beside the coroutine's; a resumption is a detached task. Thread safety: the future
// belongs to the coroutine; where it goes on is a worker of the pool that was named, or where it is, if nothing had to
// be waited for.
#pragma once
#include <atomic>
#include <coroutine>
#include <optional>
#include <stop_token>
#include <utility>

#include "centimane/errors.hpp"
#include "centimane/future.hpp"
#include "centimane/thread_pool.hpp"

namespace centimane {
inline namespace v0 {

/// What resume_on gives: to be awaited once, at once.
template <class R>
class [[nodiscard]] resumption {
 public:
  resumption(thread_pool& where, future<R>&& what, std::stop_token stop)
      : where_(where), what_(std::move(what)), stop_(std::move(stop)) {
    if (!what_.valid()) detail::throw_no_state();
    watch_.whom = &me_;
  }
  resumption(const resumption&) = delete;
  resumption& operator=(const resumption&) = delete;

  [[nodiscard]] bool await_ready() const noexcept { return what_.ready(); }

  bool await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    detail::future_state* const state = detail::future_access::state(what_);
    if (detail::attendant* const by = state->attended_by()) by->go_alone();  // nobody is here to fetch its result
    me_.divert(&bell_);
    linked_ = state->link(watch_);
    if (!linked_) return false;
    if (stop_.stop_possible()) asked_.emplace(stop_, asked{*this});
    // From here on the coroutine may run elsewhere, and this may be gone.
    int setting_up = preparing;
    return phase_.compare_exchange_strong(setting_up, armed);
  }

  R await_resume() {
    asked_.reset();
    if (linked_) detail::future_access::state(what_)->unlink(watch_);
    me_.divert(nullptr);
    if (!what_.ready()) throw cancelled("the wait was given up: its stop was requested; the task runs on");
    return what_.get();
  }

 private:
  static constexpr int preparing = 0, armed = 1, over = 2;
  struct asked {
    resumption& me;
    void operator()() const noexcept {
      me.what_.cancel();  // if it has not begun it is ready now
      me.go_on();
    }
  };
  static void rung(void* me) noexcept { static_cast<resumption*>(me)->go_on(); }
  /// The result is there, or the stop was requested: whoever is first.
  void go_on() noexcept {
    if (phase_.exchange(over) == armed) where_.detach([waiting = waiting_] { waiting.resume(); });
  }

  thread_pool& where_;
  future<R> what_;
  std::stop_token stop_;
  std::coroutine_handle<> waiting_;
  detail::sleeper me_;
  detail::watch watch_;
  const detail::alarm bell_{rung, this};
  bool linked_ = false;
  std::atomic<int> phase_{preparing};
  std::optional<std::stop_callback<asked>> asked_;
};

/// `co_await resume_on(pool, std::move(f))` is f.get() for a coroutine: it goes on in a worker of `pool`, which must
/// outlive the wait, once the result is there. A stop request cancels a task that has not begun, and ends the wait for
/// one that has: either throws `cancelled`. Throws what get() throws; std::logic_error at once if f is not valid().
/// Running out of memory while a coroutine is resumed ends the program.
template <class R>
[[nodiscard]] resumption<R> resume_on(thread_pool& pool, future<R>&& f, std::stop_token stop = {}) {
  return {pool, std::move(f), std::move(stop)};
}

}  // namespace v0
}  // namespace centimane
