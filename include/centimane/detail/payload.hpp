// The border between the engine and a face. The engine moves indices and bytes; a face knows the values. Each face
// implements `payload` once for the driver's side and `servant` once for the worker's side; the engine never sees a T
// or a PyObject.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>

#include "centimane/bytes.hpp"
#include "centimane/detail/words.hpp"

namespace centimane::engine {

using policy::index;
using policy::nanos;

/// Where in a task's life something went wrong.
enum class stage : std::uint8_t {
  none,
  sent,
  claim,
  read_args,
  run,
  write_result,
  zygote,
  protocol,
  write_args,
  read_result,
  start
};

/// As errors show it: "read_args".
[[nodiscard]] const char* name_of(stage where) noexcept;

/// The engine's account of an attempt that did not come back by itself. A face turns it into its exception.
struct trouble {
  policy::outcome how = policy::outcome::died;  ///< died, overtime or cancelled
  stage where = stage::none;
  int signal = 0;        ///< the signal that ended the worker, 0 if none
  int exit_code = -1;    ///< its exit code, -1 if it did not exit by itself or is unknown
  std::int64_t pid = 0;  ///< the worker process, 0 if none
  int worker = -1;       ///< its dense index in the pool
  bool likely_oom = false, poison = false, unkillable = false;
  std::string text;   ///< what happened, in words: "killed by signal 11 (SIGSEGV)", "no worker could start"
  std::string stack;  ///< the fatal traceback, or the stack at which the task hung
  nanos limit = 0;    ///< overtime: the limit that was passed
  nanos began = 0;    ///< when the attempt began, where that is known: on watched runs (port::watch)
};

/// When an attempt went through its phases, on the monotonic clock that all processes share. 0: not known.
struct phase_times {
  nanos opened = 0;   ///< taken in hand
  nanos running = 0;  ///< arguments are rebuilt, user code begins
  nanos ran = 0;      ///< user code has ended
  nanos written = 0;  ///< the outcome is written
};

/// How an attempt went, as far as the face knows.
struct verdict {
  bool ok = true;
  bool retryable = false;  ///< the policy names this error
  nanos server_wait = 0;   ///< a wait that the error itself asks for (Retry-After)
};

/// What a pull brought.
struct pulled {
  index count = 0;          ///< items that arrived
  std::uint64_t bytes = 0;  ///< their size where known, else 0
  bool ended = false;       ///< the source is exhausted
  bool failed = false;      ///< the source raised; the face keeps its exception
  bool later = false;       ///< an async source: driver::arrived will answer, and nothing has come yet
};

/// What a hand draws from where each item is on its own: one at a time, as it is about to begin.
class supply {
 public:
  /// Draws the next: it begins with the return. ended: how the one before it ended; null for the first. False: none may
  /// begin now.
  virtual bool draw(const verdict* ended, index& item, std::uint32_t& attempt) = 0;

 protected:
  ~supply() = default;
};

/// A face's side of one run. All calls come on the driver's thread, but `invoke`, which comes from any hand, at most
/// once at a time for one item. Errors never cross this border as C++ exceptions: the face stores them at the item's
/// index.
class payload {
 public:
  payload() = default;
  payload(const payload&) = delete;
  payload& operator=(const payload&) = delete;
  virtual ~payload() = default;

  /// Takes up to `at_most` further items from a source of unknown length.
  virtual pulled pull(index at_most) = 0;
  /// Writes the item for a worker; what is large goes beside it, where `out` has an annex. On failure the face stores
  /// the error (stage write_args) and answers !ok.
  virtual verdict encode(index item, writer& out) = 0;
  /// What encode has written could not be taken: there is no memory for it. Stores the error (a resource_limit or
  /// another) and answers !ok. The default is for faces whose items are never that large.
  virtual verdict not_sent(index item, std::exception_ptr why);
  /// Reads what a worker's servant wrote for the item (value or error, told by `ok`), stores it. What lies beside the
  /// record may be kept as it is (annexed::hold). A value that cannot be
  /// rebuilt is stored as an error (stage read_result) and answers !ok.
  virtual verdict decode(index item, bool ok, reader in) = 0;
  /// Runs the function on the item here and stores value or error. Any hand's thread. Of an attempt with past_limit()
  /// it keeps neither and answers !ok: fail() follows.
  virtual verdict invoke(index item, std::uint32_t attempt, int worker) = 0;
  /// Runs [first, first + n) as attempt 1, in order, until one does not end in a value. Answers how many were run;
  /// `last` is the verdict of the last of them. A face overrides it with a tight loop.
  virtual index invoke_range(index first, index n, int worker, verdict& last);
  /// Runs what is drawn, each as an attempt of its own, until nothing is. A face that holds a lock while it runs items
  /// overrides it, to take that once.
  virtual void invoke_drawn(supply& from, int worker);
  /// Which definition (an id from process_port::define) the item's task names. Asked before encode; process executors
  /// only.
  [[nodiscard]] virtual std::uint64_t definition(index item) const = 0;
  /// Stores a death, a timeout or a cancellation as the item's error. Answers whether the policy names it.
  virtual verdict fail(index item, std::uint32_t attempt, const trouble& why) = 0;
  /// The item has its final outcome; value or error is in place. Callbacks belong here. False asks the run to stop
  /// (a callback raised, a signal handler raised).
  virtual bool settled(index item, bool ok, std::uint32_t attempt, int worker) = 0;
  /// Same for n values in a row, attempt 1: lets a face without callbacks do nothing an item.
  virtual bool settled_values(index first, index n, int worker) = 0;
  /// A watched run: how long the attempt that ends now was in the function. Before `settled`.
  virtual void took(index /*item*/, nanos /*time*/) {}
  /// The bytes that the values hold which have settled since this was asked last. 0 if the run has no window by bytes.
  virtual std::uint64_t weighed() { return 0; }
  /// True if the face wants `settled` for every item; false lets the engine report whole ranges.
  [[nodiscard]] virtual bool wants_each() const = 0;
  /// Sleeps by calling `sleep(context)`, with whatever lock the face holds (Python's GIL) released. False asks the run
  /// to stop.
  virtual bool idle(void (*sleep)(void*), void* context) = 0;
  /// How many items the tasks [first, first + n) are made of: a face may make one task of several.
  [[nodiscard]] virtual index items_in(index /*first*/, index n) const { return n; }
  /// For messages: "item 17".
  [[nodiscard]] virtual std::string describe(index item) const = 0;
  /// Where the thread that calls invoke() as this worker is at the moment, as text; empty: that cannot be told.
  [[nodiscard]] virtual std::string stack_of(int /*worker*/) { return {}; }
};

/// On a thread whose attempt has just returned from the user's code: did it pass its limit? The same answer until the
/// next attempt.
[[nodiscard]] bool past_limit() noexcept;

/// Says in which phase of its task a worker is; a store each, so that a death is blamed exactly.
class phase_marker {
 public:
  virtual void running() noexcept = 0;  ///< arguments are rebuilt, user code begins
  virtual void writing() noexcept = 0;  ///< user code has returned or thrown

 protected:
  ~phase_marker() = default;
};

/// A face's side of a worker process. One thread calls it.
class servant {
 public:
  servant() = default;
  servant(const servant&) = delete;
  servant& operator=(const servant&) = delete;
  virtual ~servant() = default;

  /// Face-specific set-up sent once, before anything else (paths, environment, initialiser). Throwing is a failed
  /// start: the exception's what() is written to the crash text.
  virtual void set_up(reader how) = 0;
  /// A function (or class) that later tasks name by `id`. Must not throw: what cannot be rebuilt is remembered and
  /// becomes the outcome of each task that names it.
  virtual void define(std::uint64_t id, reader blob) = 0;
  virtual void forget(std::uint64_t id) = 0;
  /// Runs one task and writes value or error to `out`. Never throws, whatever the user's code does. What lies beside
  /// the item is given back when the last annexed::hold of it is gone; what is large in the value goes beside `out`.
  virtual verdict run(std::uint64_t definition, std::uint32_t attempt, reader item, writer& out,
                      phase_marker& mark) = 0;
  /// The task's value, written already, could not be taken: there is no memory for it. Writes the error in its place.
  virtual verdict not_sent(std::exception_ptr why, writer& out);
  /// No task is there: a moment to restore what tasks left changed (directory, umask, handlers). The last call before
  /// the worker sleeps: what a face holds while it works is let go here, since threads of tasks may wait for it.
  virtual void idle() {}
  /// Orderly end: run exit hooks, flush. Must return within a second.
  virtual void tear_down() {}
};

}  // namespace centimane::engine
