// One call of parallel_map or parallel_iter as Python sees it: the job, the executor it was given, and the driver
// between them.
#pragma once
#include <memory>

#include "job.hpp"
#include "process/pool.hpp"
#include "run/driver.hpp"

namespace centimane::python {

/// Belongs to one thread at a time; refuses a second one. With the GIL, which is given away while it waits.
class run : public std::enable_shared_from_this<run> {
 public:
  /// window: in items; 0: as suits the executor.
  explicit run(job_options options, PyObject* items, index window, bool ordered);
  ~run();
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  // ---- where: one of these, once
  void on_this_thread();
  void on_threads(std::uint32_t workers);
  /// function: the blob that workers get. task_timeout: policy::never for none.
  void on_processes(std::shared_ptr<engine::pool> pool, std::span<const std::byte> function,
                    std::span<const std::byte> state, nanos task_timeout);
  /// Gives workers one more definition, before the items that are encoded from now on.
  void define(std::span<const std::byte> blob);

  // ---- a map
  /// To the end. Throws raised with the error that ended the run.
  policy::status finish();
  /// (values, {index: error}, durations, {index: attempts}): the values with None where there is none, durations as
  /// float32, negative where nothing ran, attempts where there were more than one. `not_run`: what stands for items
  /// that were never begun.
  PyObject* collect(PyObject* not_run);

  // ---- a stream
  /// The next ItemResult, or null: without an error indicator at the end.
  PyObject* next();
  /// Takes back what has not begun, drops everything. Idempotent.
  void close();

  [[nodiscard]] job& work() noexcept { return job_; }

 private:
  void begin(where executor, std::uint64_t function_id, index workers);
  [[nodiscard]] index window_of(index workers) const;
  void leave(bool abandon);
  /// In a fork's copy: nothing of it may be touched, not even to take it down.
  void disown() noexcept;
  template <class Body>
  auto driving(Body body);

  job job_;
  const index window_;
  policy::rules rules_;
  std::unique_ptr<engine::port> port_;
  engine::process_port* processes_ = nullptr;
  std::unique_ptr<engine::driver> driver_;
  engine::driver::stretch present_;  ///< tasks of the stream that are being handed out
  std::uint64_t next_item_ = 0;      ///< of its first one
  bool busy_ = false, finished_ = false;
  policy::status status_ = policy::status::completed;
};

/// Sets the error indicator from the C++ exception that is being handled.
void translate_exception() noexcept;

}  // namespace centimane::python
