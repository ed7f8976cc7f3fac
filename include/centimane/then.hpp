// Continuations: what is to be done with a result once it is there, without a thread that waits for it.
//
//   cm::future<std::string> page = io.submit(read_file, "a.txt")
//                                      .then(io, [&cpu](std::string text) { return cpu.submit(crunch, text); })
//                                      .then(io, [](double sum) { return std::to_string(sum); });
//
// When to use: for steps that follow each other, where waiting between them would hold a thread. Coroutines read better
// (await.hpp). Where a continuation runs is said by its first argument, and never left to whoever made the future
// ready: that thread belongs to somebody else. It is a thread_pool, or, for event loops and pools that are not ours, a
// callable that hands a `continuation` over to be run there:
//
//   f.then([&loop](cm::continuation next) { asio::post(loop, std::move(next)); }, use);
//
// Without it, it is thread_pool::shared(). Performance: one allocation and one detached task a continuation; a submit
// followed by one costs about five times a submit alone. Chains of any length need no stack. Thread safety: that of
// futures; f runs in one thread.
#pragma once
#include <array>
#include <atomic>
#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "centimane/detail/joint.hpp"
#include "centimane/errors.hpp"
#include "centimane/future.hpp"
#include "centimane/thread_pool.hpp"

namespace centimane {
inline namespace v0 {

namespace detail {
/// A continued future, as whoever runs its function sees it.
class continued {
 public:
  virtual void proceed() noexcept = 0;
  virtual void dropped() noexcept = 0;

 protected:
  ~continued() = default;
};
template <class R, class F, class W>
class continued_state;
}  // namespace detail

/// The function of one then(), ready to be called with its argument: move-only, takes and gives nothing, throws
/// nothing. To be called once, from any thread. Destroyed uncalled, it ends its future in `cancelled`.
class continuation {
 public:
  continuation(continuation&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  continuation& operator=(continuation&&) = delete;
  ~continuation() {
    if (of_ != nullptr) of_->dropped();
  }
  void operator()() noexcept {
    if (detail::continued* const of = std::exchange(of_, nullptr)) of->proceed();
  }

 private:
  template <class R, class F, class W>
  friend class detail::continued_state;
  explicit continuation(detail::continued& of) noexcept : of_(&of) {}
  detail::continued* of_;
};

namespace detail {

/// A place in a pool's queue, which outlives the pool: what comes then is dropped.
class pool_hold {
 public:
  explicit pool_hold(thread_pool& pool) noexcept;
  pool_hold(pool_hold&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  pool_hold& operator=(pool_hold&&) = delete;
  ~pool_hold();
  /// Throws pool_forked.
  void operator()(continuation what) const;
  [[nodiscard]] bool may_run_here() const noexcept { return works_for(core_); }

 private:
  pool_core* core_;
};

template <class F, class R>
inline constexpr bool takes_value = std::is_invocable_v<F, R>;
template <class F>
inline constexpr bool takes_value<F, void> = std::is_invocable_v<F>;

template <class F, class R>
struct continues {
  /// A generic lambda is asked about the value first, and about nothing else if it takes that.
  static constexpr bool value =
      std::disjunction_v<std::bool_constant<takes_value<F, R>>, std::is_invocable<F, future<R>>>;
  static_assert(value,
                "centimane: f of then() must be callable with the value that the future gives (with nothing, if that "
                "is void), or with the ready future itself");
};

template <class F, class R>
decltype(auto) continue_with(F&& f, future<R>&& from) {
  if constexpr (!takes_value<F, R>) {
    return std::invoke(std::forward<F>(f), std::move(from));
  } else if constexpr (std::is_void_v<R>) {
    from.get();
    return std::invoke(std::forward<F>(f));
  } else {
    return std::invoke(std::forward<F>(f), from.get());
  }
}

template <class R>
struct unwrapped {
  using type = R;
  static constexpr bool value = false;
};
template <class R>
struct unwrapped<future<R>> {
  using type = R;
  static constexpr bool value = true;
};
/// What f gives: a value of its own, a reference, or a future.
template <class R, class F>
using continued_t = kept_t<decltype(continue_with(std::declval<F>(), std::declval<future<R>>()))>;

/// Waits for its source, is handed over to W, calls F there; if that gives a future, waits for that one too.
template <class R, class F, class W>
class continued_state final : public joint<typename unwrapped<continued_t<R, F>>::type>, public continued {
  using result = continued_t<R, F>;
  using U = typename unwrapped<result>::type;
  static constexpr bool unwraps = unwrapped<result>::value;

 public:
  template <class G>
  continued_state(future<R>&& from, W&& where, G&& f)
      : joint<U>(2), f_(std::in_place, std::forward<G>(f)), where_(std::move(where)), from_(std::move(from)) {}

  /// Uses up one hold: the other is the future's.
  void start(std::stop_token stop) noexcept {
    future_state& source = *future_access::state(from_);
    source.hold();
    const state_ref<future_state> alive(&source);
    edges_[0].lead(source, *this);
    if (stop.stop_possible()) {
      stop_.emplace(std::move(stop), asked{this});
      int at = arming;
      if (!asked_.compare_exchange_strong(at, armed)) this->cancel();
    }
    if (!edges_[0].link(source)) arrived(edges_[0]);
  }

  bool run_here() noexcept override {
    if constexpr (std::is_same_v<W, pool_hold>) {
      if (!where_.may_run_here()) return false;
      const state_ref<future_state> source = edges_[0].borrow();
      if (!source || !source->ready() || !this->begin()) return false;
      run();
      return true;
    } else {
      return false;
    }
  }

 private:
  [[nodiscard]] std::span<edge> edges() noexcept override { return edges_; }
  [[nodiscard]] state_ref<future_state> stand_in() noexcept override {
    if constexpr (unwraps) return edges_[1].borrow();
    return {};
  }
  void drop_task() noexcept override {
    stop_.reset();
    f_.reset();
    from_ = future<R>();
  }

  void arrived(edge& from) noexcept override {
    if constexpr (unwraps) {
      if (&from == &edges_[1]) return arrived_inside();
    }
    if (this->ready()) {
      edges_[0].take();
      return this->release();
    }
    this->hold();
    std::exception_ptr why;
    try {
      where_(continuation(*this));
    } catch (...) {
      why = std::current_exception();
    }
    // Dropped before it was handed over: only here is it known why.
    if (handing_.exchange(handed) == was_dropped) end_uncalled(std::move(why));
    this->release();
  }

  // ---- by continuation
  void proceed() noexcept override {
    const no_calls_put_off while_it_runs;
    if (this->begin()) {
      run();
    } else {
      edges_[0].take();
    }
    this->release();
  }
  void dropped() noexcept override {
    if (handing_.exchange(was_dropped) == handed) end_uncalled(nullptr);
  }

  void end_uncalled(std::exception_ptr why) noexcept {
    edges_[0].take();
    if (this->begin()) {
      // An error that only passes through needs nobody who runs it.
      std::exception_ptr e;
      if constexpr (takes_value<F, R>) e = future_access::state(from_)->take_error();
      if (!e) e = std::move(why);
      if (!e) {
        e = std::make_exception_ptr(
            cancelled("the continuation was cancelled: the pool or the loop that was to run it is closed"));
      }
      this->fail(std::move(e));
      end();
    }
    this->release();
  }

  /// Precondition: begun by this thread; the source is ready.
  void run() noexcept {
    edges_[0].take();
    try {
      std::exception_ptr e;
      if constexpr (takes_value<F, R>) e = future_access::state(from_)->take_error();
      if (e) {
        this->fail(std::move(e));
      } else if constexpr (unwraps) {
        future<U> inner = continue_with(std::move(*f_), std::move(from_));
        if (inner.valid()) return go_inside(std::move(inner));
        throw std::logic_error("centimane: f of then() gave a future without a result to come");
      } else if constexpr (std::is_void_v<U>) {
        continue_with(std::move(*f_), std::move(from_));
      } else {
        this->set(continue_with(std::move(*f_), std::move(from_)));
      }
    } catch (...) {
      this->fail(std::current_exception());
    }
    end();
  }
  void end() noexcept {
    drop_task();
    this->finish();
  }

  // ---- f gave a future
  void go_inside(future<U>&& inner) noexcept {
    f_.reset();
    inner_ = std::move(inner);
    future_state& source = *future_access::state(inner_);
    source.hold();
    const state_ref<future_state> alive(&source);
    this->hold();
    edges_[1].lead(source, *this);
    this->tell_news();
    if (!edges_[1].link(source)) arrived_inside();
  }
  void arrived_inside() noexcept {
    edges_[1].take();
    try {
      if (std::exception_ptr e = future_access::state(inner_)->take_error()) {
        this->fail(std::move(e));
      } else if constexpr (!std::is_void_v<U>) {
        this->set(inner_.get());
      }
    } catch (...) {
      this->fail(std::current_exception());
    }
    inner_ = {};
    end();
    this->release();
  }

  struct asked {
    continued_state* me;
    void operator()() const noexcept {
      continued_state* const it = me;  // this is gone once it is cancelled
      if (it->asked_.exchange(was_asked) != armed) return;
      // Whoever ends it waits for this call first, with a hold.
      it->hold();
      it->cancel();
      it->release();
    }
  };
  static constexpr int arming = 0, armed = 1, was_asked = 2;
  static constexpr int handing = 0, was_dropped = 1, handed = 2;
  struct nothing {};

  std::optional<F> f_;
  W where_;
  future<R> from_;
  [[no_unique_address]] std::conditional_t<unwraps, future<U>, nothing> inner_;
  std::array<edge, unwraps ? 2 : 1> edges_;
  std::atomic<int> handing_{handing};
  std::atomic<int> asked_{arming};
  std::optional<std::stop_callback<asked>> stop_;
};

template <class R, class F, class W>
auto continue_on(future<R>&& from, W where, F&& f, std::stop_token stop) {
  using callable = std::decay_t<F>;
  if constexpr (continues<callable, R>::value) {
    using made = continued_state<R, callable, W>;
    auto* const state = new made(std::move(from), std::move(where), std::forward<F>(f));
    auto result = future_access::make<typename unwrapped<continued_t<R, callable>>::type>(state);
    state->start(std::move(stop));
    return result;
  }
}

}  // namespace detail

template <class R>
template <class F>
auto future<R>::then(thread_pool& pool, F&& f, std::stop_token stop) {
  need();
  return detail::continue_on(std::move(*this), detail::pool_hold(pool), std::forward<F>(f), std::move(stop));
}
template <class R>
template <class F>
auto future<R>::then(F&& f, std::stop_token stop) {
  need();
  return detail::continue_on(std::move(*this), detail::pool_hold(thread_pool::shared()), std::forward<F>(f),
                             std::move(stop));
}
template <class R>
template <class W, class F>
requires detail::hands_over<W, F>
auto future<R>::then(W&& hand_over, F&& f, std::stop_token stop) {
  need();
  return detail::continue_on(std::move(*this), std::decay_t<W>(std::forward<W>(hand_over)), std::forward<F>(f),
                             std::move(stop));
}

}  // namespace v0
}  // namespace centimane
