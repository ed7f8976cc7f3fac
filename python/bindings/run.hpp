// One call of parallel_map or parallel_iter as Python sees it: the job, the executor it was given, and the driver
// between them.
#pragma once
#include <memory>
#include <optional>

#include "hands.hpp"
#include "job.hpp"
#include "platform/event_fd.hpp"
#include "process/pool.hpp"
#include "run/driver.hpp"

namespace centimane::python {

/// Belongs to one thread at a time; refuses a second one. With the GIL, which is given away while it waits.
class loop_port;

class run : public std::enable_shared_from_this<run> {
 public:
  /// window: in items; 0: as suits the executor.
  explicit run(job_options options, PyObject* items, index window, bool ordered);
  ~run();
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  // ---- where: one of these, once
  // task_timeout: policy::never for none.
  void on_this_thread(nanos task_timeout);
  void on_threads(std::uint32_t workers, nanos task_timeout);
  /// function: the blob that workers get. keep: it is a name, which workers need not read anew for the next run.
  void on_processes(std::shared_ptr<engine::pool> pool, std::span<const std::byte> function,
                    std::span<const std::byte> state, bool keep, nanos task_timeout);
  /// Gives workers one more definition, before the items that are encoded from now on.
  void define(std::span<const std::byte> blob);

  // ---- a map
  /// To the end. Throws raised with the error that ended the run.
  policy::status finish();
  /// (values, {index: error}, durations, {index: attempts}): the values with None where there is none, durations as
  /// float32, negative where nothing ran, attempts where there were more than one. `not_run`: what stands for items
  /// that were never begun.
  PyObject* collect(PyObject* not_run);

  /// Where the time went, so far: as_tuple(). Any time between the calls; null with the error indicator set.
  [[nodiscard]] PyObject* insights() const;

  /// Why there is no trace, or empty.
  [[nodiscard]] std::string trace_trouble() const { return eyes_ ? eyes_->trouble() : std::string(); }

  // ---- on an event loop: finish() and next() with the sleeping left to the loop
  /// Attempts are tasks of the loop: spawn(item, index, attempt) makes one, cancel() cancels all.
  void on_loop(index slots, nanos task_timeout, PyObject* spawn, PyObject* cancel);
  /// A descriptor that becomes readable when another thread has news. Open until leave_loop().
  int bell();
  /// It is not readable any more.
  void hush();
  static constexpr double turn_waits = -1, turn_ended = -2;
  /// Does what there is to do. Answers one of these, or after how many seconds to come again at the latest: 0 is soon,
  /// with others let in between. Throws as finish() and next() do.
  double turn();
  /// A stream's next ItemResult; null without an error indicator if none is there before another turn.
  PyObject* take();
  /// Items of an async source, and whether it has ended. error: what it raised, or None.
  void arrived(PyObject* list, bool ended, PyObject* error);
  /// An attempt's task is over: see loop_port::end.
  void attempt_ended(index item, int how, PyObject* what);
  /// close(), at once. kill: also what runs on worker processes. The bell's descriptor is closed: the loop must have
  /// forgotten it.
  void leave_loop(bool kill);

  // ---- a stream
  /// The next ItemResult, or null: without an error indicator at the end.
  PyObject* next();
  /// Takes back what has not begun, drops everything. Idempotent.
  void close();

  [[nodiscard]] job& work() noexcept { return job_; }
  /// How it ended; `completed` until then.
  [[nodiscard]] policy::status status() const noexcept { return status_; }

 private:
  void begin(where executor, std::uint64_t function_id, index workers);
  [[nodiscard]] index window_of(index workers) const;
  void leave(bool abandon);
  /// In a fork's copy: nothing of it may be touched, not even to take it down.
  void disown() noexcept;
  void conclude();
  bool hand_out(PyObject*& result);
  void silence() noexcept;
  static void ring(void* me) noexcept;
  template <class Body>
  auto driving(Body body);

  job job_;
  std::unique_ptr<platform::event_fd> bell_;  ///< outlives the port, whose hands ring it
  const detail::alarm alarm_{ring, this};
  const index window_;
  policy::rules rules_;
  std::optional<engine::watch> eyes_;
  std::unique_ptr<engine::port> port_;
  engine::process_port* processes_ = nullptr;
  loop_port* tasks_ = nullptr;
  std::shared_ptr<circle> circle_;  ///< the threads of a run with an initializer
  std::unique_ptr<engine::driver> driver_;
  engine::driver::stretch present_;  ///< tasks of the stream that are being handed out
  std::uint64_t next_item_ = 0;      ///< of its first one
  bool busy_ = false, finished_ = false;
  policy::status status_ = policy::status::completed;
  centimane::insights last_;  ///< once it has ended
};

/// What every entry does: refuses a second thread, turns what comes through the driver into one of our ends.
template <class Body>
auto run::driving(Body body) {
  if (busy_) {
    PyErr_SetString(PyExc_ValueError, "this run is in use: by another thread, or by a callback of its own");
    throw raised{};
  }
  if (driver_ != nullptr && !job_.here()) {  // before anything is touched that the two processes share
    disown();
    throw forked{};
  }
  busy_ = true;
  struct guard {
    bool& flag;
    ~guard() { flag = false; }
  } g{busy_};
  try {
    return body();
  } catch (const forked&) {
    disown();
    throw;
  }
}

/// Sets the error indicator from the C++ exception that is being handled.
void translate_exception() noexcept;

}  // namespace centimane::python
