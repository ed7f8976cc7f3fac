// Futures in programs that are built on Asio: a completion token waits for a task, and no thread sleeps for it.
//
//   asio::awaitable<void> session(tcp::socket peer, cm::process_pool& cpu) {
//     std::string text = …;
//     double sum = co_await cm::async_get(cpu.submit(crunch, text), asio::use_awaitable);
//   }
//
// Not part of the umbrella: it needs standalone Asio (1.22 or later), which centimane itself does not. Performance: two
// allocations and one post to the loop a wait. Thread safety: the future belongs to the wait; the handler runs on its
// associated executor, nowhere else, so its coroutine or strand needs no lock.
#pragma once
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "centimane/errors.hpp"
#include "centimane/future.hpp"
#include "centimane/then.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {

template <class R>
struct asio_result {
  static constexpr bool value = std::default_initializable<R>;
  static_assert(
      value,
      "centimane: R of async_get must have a default constructor, as Asio hands over an R with each error too; "
      "use future::then for others");
  using signature = void(std::exception_ptr, R);
};
template <>
struct asio_result<void> {
  static constexpr bool value = true;
  using signature = void(std::exception_ptr);
};

/// One wait. It ends by the result or by a cancellation, whichever is first, and then posts its handler.
template <class R, class Handler>
class asio_wait : public std::enable_shared_from_this<asio_wait<R, Handler>> {
 public:
  explicit asio_wait(Handler&& handler)
      : handler_(std::move(handler)), slot_(asio::get_associated_cancellation_slot(*handler_)) {
    work_.emplace(asio::get_associated_executor(*handler_));
  }

  void start(future<R>&& f) {
    if (slot_.is_connected()) {
      slot_.assign([me = this->shared_from_this()](asio::cancellation_type type) {
        constexpr auto meant = asio::cancellation_type::terminal | asio::cancellation_type::partial;
        if ((type & meant) != asio::cancellation_type::none) me->give_up();
      });
    }
    // All that is done on the thread that makes the future ready is to post: no hop is needed for that.
    (void)f.then([](continuation next) { next(); },
                 [me = this->shared_from_this()](future<R> done) { me->end(std::move(done)); }, stop_.get_token());
  }

 private:
  void give_up() {
    if (over_.exchange(true)) return;
    stop_.request_stop();
    post();
  }
  void end(future<R> done) {
    if (over_.exchange(true)) return;
    result_ = std::move(done);
    post();
  }
  void post() {
    asio::post(work_->get_executor(), [me = this->shared_from_this()] { me->complete(); });
  }
  /// On the handler's executor.
  void complete() {
    slot_.clear();
    work_.reset();
    Handler handler = std::move(*handler_);
    handler_.reset();
    // The handler is called outside: what it throws belongs to the loop.
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<R>, bool, R>> value;
    try {
      if (!result_.valid()) throw cancelled("the wait was given up: it was cancelled; a task that has begun runs on");
      if constexpr (std::is_void_v<R>) {
        result_.get();
      } else {
        value.emplace(result_.get());
      }
    } catch (...) {
      error = std::current_exception();
    }
    if constexpr (std::is_void_v<R>) {
      std::move(handler)(std::move(error));
    } else {
      if (!value) value.emplace();
      std::move(handler)(std::move(error), std::move(*value));
    }
  }

  std::optional<Handler> handler_;
  asio::associated_cancellation_slot_t<Handler> slot_;
  std::optional<asio::executor_work_guard<asio::associated_executor_t<Handler>>> work_;
  std::stop_source stop_;
  std::atomic<bool> over_{false};
  future<R> result_;
};

}  // namespace detail

/// Waits for f and completes with `void(std::exception_ptr, R)`, `void(std::exception_ptr)` if R is void: with the
/// value, or with what get() would throw. R needs a default constructor.
///
/// Cancellation by Asio's slots (terminal, partial) takes back a task that has not begun, and ends the wait for one
/// that has: either completes with `cancelled`. The task itself then runs on; a process_pool's `task_timeout` ends it.
/// The execution context must outlive the wait. Throws std::logic_error if f is not valid().
template <class R, class Token>
auto async_get(future<R>&& f, Token&& token) {
  if constexpr (detail::asio_result<R>::value) {
    if (!f.valid()) detail::throw_no_state();
    return asio::async_initiate<Token, typename detail::asio_result<R>::signature>(
        []<class Handler>(Handler&& handler, future<R> what) {
          using wait = detail::asio_wait<R, std::decay_t<Handler>>;
          std::make_shared<wait>(std::forward<Handler>(handler))->start(std::move(what));
        },
        token, std::move(f));
  }
}

}  // namespace v0
}  // namespace centimane
