// The compiled half of centimane's futures: `class Future(_core.FutureCore, concurrent.futures.Future)`. To the
// standard library it looks like its own future, private attributes included; to an executor it costs two stores to
// settle while nobody looks.
//
// Everything here is guarded by the GIL. A future that an executor has not settled yet knows its home, which fetches
// what has come back when somebody waits (process_tasks.hpp); without one it waits to be settled by another thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "centimane/detail/words.hpp"
#include "object.hpp"

namespace centimane::python {

using policy::nanos;

enum class future_state : std::uint8_t { pending, running, cancelled, cancelled_and_notified, finished };

struct future_object;

/// A thread that waits for one future. Lives on its stack.
struct sleeper {
  std::atomic<std::uint32_t> rung{0};  ///< 1: what it waits for has come; 2: it is its turn to fetch
  sleeper *next = nullptr, *before = nullptr;
  void ring() noexcept;
  void ring_turn() noexcept;
  /// Sleeps until rung or `until`; gives the GIL away. False: a signal handler raised.
  bool sleep(nanos until);
  /// Sleeps until rung, or for no reason. The caller has given the GIL away.
  void wait_without_gil() noexcept;
};

/// A list of them.
class sleepers {
 public:
  void join(sleeper& s) noexcept;
  void leave(sleeper& s) noexcept;
  void ring_all() noexcept;
  void ring_one() noexcept;
  /// One that was not rung yet.
  void ring_unrung() noexcept;
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

 private:
  sleeper* first_ = nullptr;
};

/// Where a pending future's outcome will come from.
class future_home {
 public:
  /// Waits until `me` is rung, the future is done, or `until`. False: a signal handler raised.
  virtual bool attend(future_object* of, sleeper& me, nanos until) = 0;
  /// Settles what has come back, without waiting.
  virtual void look() = 0;
  /// Has its task been given to a worker?
  [[nodiscard]] virtual bool is_running(std::uint64_t task) = 0;
  /// Takes its task back; the future is settled then, as cancelled or with what came first.
  virtual void cancel(future_object* of) = 0;
  /// Somebody wants to be told: it must be settled without anybody waiting for it.
  virtual void watch() = 0;
  virtual void unwatch() = 0;

 protected:
  ~future_home() = default;
};

struct condition_object;

struct future_object {
  PyObject_HEAD;
  future_state state;
  bool watched;  ///< its home was told so
  bool late;     ///< it has its outcome, and is settled when its condition is let go
  future_state becomes;
  PyObject *result, *exception;
  PyObject *waiters, *callbacks;  ///< lists; null: empty
  condition_object* condition;    ///< null: nobody has asked for it
  std::shared_ptr<future_home> home;
  std::uint64_t task;
  sleepers here;
};

[[nodiscard]] inline bool is_done(const future_object* f) noexcept { return f->state >= future_state::cancelled; }

/// A new, pending future of the Python class, or null with the error indicator set.
future_object* new_future();
/// Gives it its outcome: a value, or an exception; takes both references. Of a future that is cancelled nothing
/// changes.
void settle_with_result(future_object* f, ref value);
void settle_with_exception(future_object* f, ref error);
/// Cancelled by its executor: everybody is told.
void settle_cancelled(future_object* f);

/// The types, added to the module. set_future_hooks() completes them.
bool add_future_types(PyObject* module);
/// kind: the Python class; the rest of concurrent.futures that is needed here.
void set_future_hooks(PyObject* kind, PyObject* cancelled_error, PyObject* invalid_state, PyObject* callback_failed,
                      PyObject* unexpected_state);

// ---- between future.cpp and future_condition.cpp
/// It is let go, and there is an outcome that had to wait for that.
void settle_late(future_object* f);
[[nodiscard]] PyObject* condition_of(future_object* f);
/// Another thread, or this one, is inside `with future._condition`.
[[nodiscard]] bool is_held(const future_object* f) noexcept;
void part_from_condition(future_object* f) noexcept;
/// A timeout argument as a moment: None is never. False: the error indicator is set.
bool moment_of(PyObject* timeout, nanos& until);
bool add_condition_type(PyObject* module);
/// Waits until it is done, notified, or `until`.
bool wait_for(future_object* f, sleeper& me, nanos until);

}  // namespace centimane::python
