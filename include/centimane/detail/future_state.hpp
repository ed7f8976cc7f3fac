// What a future and whoever produces its result share: one allocation a task, one word that says "done" and holds the
// waiters.
//
// For those who produce results (a thread pool, a process pool): derive from `state_of<R>`, store value or error, call
// finish() once. How the waiting is done:
//  * A thread that waits links itself to the state (`watch`) with a `sleeper`, and is rung by finish().
//  * If the producer's results only come in when somebody fetches them (a process pool without a settling thread), its
//  states
//    answer an `attendant` from attendant(): the waiting thread calls attend() instead of sleeping. attend() does the
//    fetching, one thread at a time; the others sleep on the sleeper they were given, and who leaves passes the job on.
//    If it sleeps in a place of its own, it diverts the sleeper's rings to there (sleeper::divert).
//  * A thread may have an attendant of its own (helper()): a thread pool's worker that waits runs other tasks of its
//  pool.
//    Nested waits therefore never use up the workers.
//  * Nobody need wait: a watch may be a function that is called once the state is ready, on the thread that made it so.
//    Continuations are built on that (joint.hpp).
//
// Thread safety: what is const or says so, from any thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "centimane/detail/sleeper.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// A question without arguments: `[&] { return …; }` by reference.
class condition {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, condition>) condition(const F& f)
  noexcept : ask_([](const void* at) { return static_cast<bool>((*static_cast<const F*>(at))()); }), at_(&f) {}
  [[nodiscard]] bool operator()() const { return ask_(at_); }

 private:
  bool (*ask_)(const void*);
  const void* at_;
};

/// Knows what to do in a thread that waits.
class attendant {
 public:
  attendant() = default;
  attendant(const attendant&) = delete;
  attendant& operator=(const attendant&) = delete;
  /// Works or sleeps until `done()` or until `until` (monotonic ns, INT64_MAX: no limit). `me` is rung whenever done()
  /// may have become true. May return early. Nothing escapes it but what `done` throws.
  virtual void attend(sleeper& me, condition done, std::int64_t until) = 0;
  /// One thread waits for several producers at once and can attend only one of them: this one's results must from now
  /// on come in by themselves.
  virtual void go_alone() {}

 protected:
  ~attendant() = default;
};

/// The calling thread's own attendant: the pool whose worker it is; null elsewhere.
[[nodiscard]] attendant* helper() noexcept;
/// Sets it, answers the one before.
attendant* set_helper(attendant* a) noexcept;

/// Waits in the best way there is: `by` if given, else the thread's helper, else asleep. Returns done().
bool wait_until(sleeper& me, condition done, std::int64_t until, attendant* by = nullptr);
/// The monotonic clock, ns.
[[nodiscard]] std::int64_t now_ns() noexcept;

class watch_group;
template <class S>
class state_ref;

/// One waiter's interest in one state.
struct watch {
  watch* next = nullptr;
  sleeper* whom = nullptr;
  watch_group* group = nullptr;             ///< if set, is given the watch before `whom` is rung
  void (*call)(watch*) noexcept = nullptr;  ///< if set, is called instead, and the watch is its own again: no unlink
  bool news = false;                        ///< `whom` is also rung when the state begins to wait for another one
  std::atomic<bool> gone{false};            ///< finish() will not touch it any more
};

/// Calls each watch of the list; within such a call, later: once that has returned. So chains of any length need no
/// stack.
void call_all(watch* first) noexcept;

/// While it lives, calls that were put off are made, and none is put off on this thread: for what may wait.
class no_calls_put_off {
 public:
  no_calls_put_off() noexcept;
  no_calls_put_off(const no_calls_put_off&) = delete;
  no_calls_put_off& operator=(const no_calls_put_off&) = delete;
  ~no_calls_put_off();

 private:
  bool within_;
};

/// Collects the watches of finished states, in order of finishing, for as_completed and wait.
class watch_group {
 public:
  void put(watch* w) noexcept {
    watch* first = finished_.load(std::memory_order_relaxed);
    do w->next = first;
    while (!finished_.compare_exchange_weak(first, w));
  }
  [[nodiscard]] bool empty() const noexcept { return finished_.load() == nullptr; }
  /// All that finished since, latest first.
  [[nodiscard]] watch* take() noexcept { return finished_.exchange(nullptr); }

 private:
  std::atomic<watch*> finished_{nullptr};
};

class future_state {
 public:
  future_state(const future_state&) = delete;
  future_state& operator=(const future_state&) = delete;

  // ---- for futures
  [[nodiscard]] bool ready() const noexcept { return (word_.load(std::memory_order_acquire) & done) != 0; }
  /// Waits until ready or `until`; answers ready().
  bool wait(std::int64_t until);
  /// Ready and holds an error.
  [[nodiscard]] bool failed() const noexcept { return ready() && error_ != nullptr; }
  /// Takes the task back if it has not begun; it is then ready with `cancelled`. So is what it waits for, if nobody
  /// else can ask for that. True if so, or if its outcome will be that of another, which could be taken back.
  bool cancel() noexcept;
  /// Who must be attended so that this state becomes ready; null: it becomes so by itself. Lives as long as the state.
  [[nodiscard]] virtual attendant* attended_by() noexcept { return nullptr; }
  /// Runs the task here and now, if it has not begun and this thread may. True: it was run.
  virtual bool run_here() noexcept { return false; }
  /// Adds the states that this one waits for and that are not ready.
  virtual void inputs(std::vector<state_ref<future_state>>&) {}

  /// False: it is ready, and the watch was not linked (nor is it called).
  bool link(watch& w) noexcept;
  /// After it, the watch is not touched any more.
  void unlink(watch& w) noexcept;

  void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs_.load(std::memory_order_acquire) == 1 || refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // ---- for producers
  /// Claims the task for running; false: it was cancelled, or is run elsewhere.
  [[nodiscard]] bool begin() noexcept {
    std::uint32_t expected = queued;
    return stage_.compare_exchange_strong(expected, begun, std::memory_order_acq_rel);
  }
  /// To be called before finish, once, instead of storing a value.
  void fail(std::exception_ptr e) noexcept { error_ = std::move(e); }
  /// Precondition: ready. Its error, if it ended in one, which it then has no more.
  [[nodiscard]] std::exception_ptr take_error() noexcept { return std::exchange(error_, nullptr); }
  /// Value or error is in place: wakes all who wait.
  void finish() noexcept {
    std::uintptr_t expected = 0;
    if (!word_.compare_exchange_strong(expected, done)) finish_watched();
  }

 protected:
  explicit future_state(std::uint32_t holders) noexcept : refs_(holders) {}
  virtual ~future_state() = default;
  /// Cancels this one alone, if it has not begun.
  virtual bool take_back() noexcept;
  /// The other state whose outcome will be this one's, if there is one and it is not ready.
  [[nodiscard]] virtual state_ref<future_state> stand_in() noexcept;
  /// What belongs to the task alone (the callable, its arguments) may go.
  virtual void drop_task() noexcept {}
  /// Rings watches that want news.
  void tell_news() noexcept;
  /// The exception goes to the caller with all that is held of it, so that no other thread has to destroy it.
  void rethrow_error() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  static constexpr std::uintptr_t done = 1, locked = 2, flags = 3;
  static constexpr std::uint32_t queued = 0, begun = 1;
  void finish_watched() noexcept;
  /// Sets `locked` (and `extra`), answers what the word was.
  std::uintptr_t lock(std::uintptr_t extra) noexcept;

  std::atomic<std::uintptr_t> word_{0};  ///< first watch | locked | done
  std::atomic<std::uint32_t> refs_;
  std::atomic<std::uint32_t> stage_{queued};
  std::exception_ptr error_;
};

/// A state with room for the result. References are kept as pointers.
template <class R>
class state_of : public future_state {
  using stored = std::conditional_t<std::is_lvalue_reference_v<R>, std::remove_reference_t<R>*, std::remove_cvref_t<R>>;

 public:
  template <class... V>
  void set(V&&... value) {
    if constexpr (std::is_lvalue_reference_v<R>) {
      value_.emplace(std::addressof(value)...);
    } else {
      value_.emplace(std::forward<V>(value)...);
    }
  }
  /// Precondition: ready. Throws the task's error; moves the value out.
  R take() {
    rethrow_error();
    if constexpr (std::is_lvalue_reference_v<R>) {
      return **value_;
    } else {
      return static_cast<R&&>(*value_);
    }
  }

 protected:
  using future_state::future_state;

 private:
  std::optional<stored> value_;
};

template <>
class state_of<void> : public future_state {
 public:
  void set() noexcept {}
  void take() { rethrow_error(); }

 protected:
  using future_state::future_state;
};

/// Shared ownership of a state.
template <class S>
class state_ref {
 public:
  state_ref() noexcept = default;
  /// Takes over one hold.
  explicit state_ref(S* held) noexcept : state_(held) {}
  state_ref(state_ref&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  state_ref& operator=(state_ref&& other) noexcept {
    if (this != &other) {
      reset();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~state_ref() { reset(); }
  void reset() noexcept {
    if (S* s = std::exchange(state_, nullptr)) s->release();
  }
  [[nodiscard]] S* get() const noexcept { return state_; }
  S* operator->() const noexcept { return state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  S* state_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
