// Tasks submitted one by one to threads: the queue of one ThreadPoolExecutor and what its threads do. The GIL is its
// lock; only the sleep of an idle thread is without it.
#pragma once
#include <deque>
#include <memory>
#include <string>

#include "future.hpp"
#include "platform/fork_generation.hpp"

namespace centimane::python {

class thread_tasks final : public future_home, public std::enable_shared_from_this<thread_tasks> {
 public:
  /// start: starts one thread more, which calls work(); answers whether it did.
  thread_tasks(std::size_t most_threads, ref start, ref initializer, ref init_failed, ref broken)
      : most_(most_threads),
        start_(std::move(start)),
        initializer_(std::move(initializer)),
        init_failed_(std::move(init_failed)),
        broken_error_(std::move(broken)) {}
  ~thread_tasks() = default;

  /// Null with the error indicator set.
  PyObject* submit(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names);
  /// Starts all threads. False: the error indicator is set.
  bool prepare();
  /// A thread's whole life. Returns after end(), when nothing is left to do.
  void work();
  void end(const char* why);
  void cancel_waiting();
  [[nodiscard]] const std::string& broken() const noexcept { return broken_; }
  [[nodiscard]] bool here() const noexcept { return platform::fork_generation() == born_; }

  // ---- future_home: the threads settle by themselves
  bool attend(future_object* of, sleeper& me, nanos until) override;
  void look() override {}
  [[nodiscard]] bool is_running(std::uint64_t) override { return false; }
  void cancel(future_object* of) override;
  void watch() override {}
  void unwatch() override {}

 private:
  struct task {
    ref future, function, arguments;  ///< arguments: a tuple, keywords' values last
    ref names;
  };
  void break_down(const std::string& why);
  void run(task t);

  const std::size_t most_;
  const std::uint32_t born_ = platform::fork_generation();
  ref start_, initializer_, init_failed_, broken_error_;
  std::deque<task> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;  ///< asleep and not yet rung
  sleepers beds_;
  std::string closed_why_, broken_;
  bool closed_ = false;
};

}  // namespace centimane::python
