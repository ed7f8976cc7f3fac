// Tasks submitted one by one to a process pool: what carries the futures of one executor. It outlives the executor
// until its last task has its outcome.
//
// Three roles. Whoever submits encodes the task at once, into bytes that nobody needs Python for. Whoever waits for a
// future fetches what has come back, one thread at a time (the baton), and settles whatever has come. The settler, a
// Python thread that lives in settle() without the GIL, feeds workers from what waits here, and settles futures when
// nobody waits but somebody wants to be told.
//
// Locks: the GIL, then lock_, then the pool's. Futures and Python values are touched with the GIL only; what the
// settler needs without it is under lock_, which is never held while Python runs.
//
// What tasks say is told by a thread of its own, which starts with the first word: a handler of the user's may block,
// and may use the executor.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "centimane/errors.hpp"
#include "codec.hpp"
#include "future.hpp"
#include "platform/fork_generation.hpp"
#include "process/pool.hpp"
#include "run.hpp"
#include "task_record.hpp"
#include "words.hpp"

namespace centimane::python {

using engine::index;

/// How a task's function is applied to its arguments.
enum class shape : std::uint8_t { plain, with_keywords, chunk, chunk_star };

/// What an executor is made with; callables of the package.
struct process_tasks_options {
  std::shared_ptr<engine::pool> pool;
  bool break_on_death = false;  ///< a dead worker fails all that is open
  ref trouble;                  ///< makes the exception of a death, a timeout, a failed start
  ref rebuild;                  ///< makes the exception that a worker described
  ref broken;                   ///< broken(text) -> the exception of a broken pool
  ref unsendable;               ///< unsendable(error) -> the exception for a task that cannot be written
  /// ship(function, kind, seen) -> (blob, how, checks): the function as workers read it; how: 0 within its task, 1 the
  /// same, and remember that it was seen, 2 as a definition, which holds while the checks do. kind: a blob_kind.
  ref ship;
  ref rescue, met_main, told, main;  ///< see pickling
  ref hear;                          ///< hear(kind, bytes, task, worker): what a task has said; see centimane._hear
};

/// Sets the error indicator to what the call throws.
template <class Call>
void translate(Call call) {
  try {
    call();
  } catch (...) {
    translate_exception();
  }
}

class process_tasks final : public engine::payload,
                            public engine::events,
                            public future_home,
                            public std::enable_shared_from_this<process_tasks> {
 public:
  explicit process_tasks(process_tasks_options how);
  ~process_tasks() override;

  // ---- for the executor; with the GIL
  /// limit: policy::never for none. stoppable: cancel() may stop it while it runs. Null with the error indicator set.
  PyObject* submit(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names, nanos limit,
                   bool stoppable);
  /// One task for the calls with each of `items`, a tuple or list; its result is the list of theirs.
  PyObject* submit_chunk(PyObject* function, PyObject* items, bool star);
  /// Nothing more is taken; what was taken goes on. Any thread that has the GIL, destructors included.
  void end(const char* why);
  /// Cancels all that was not handed to a worker.
  void cancel_waiting();
  /// Takes back what has not begun, ends what runs, at the latest after `grace`. After end().
  void kill(nanos grace);
  /// The settler's whole life, on its thread. Returns when all is settled after end(), and the workers are gone.
  /// start_teller(): makes a thread that calls tell(); called with the first word.
  void settle(PyObject* start_teller);
  /// The teller's whole life. Returns when the settler has come to its end and all is told.
  void tell();
  /// How many words have been told.
  [[nodiscard]] std::uint64_t told() const noexcept { return told_; }
  [[nodiscard]] const std::shared_ptr<engine::pool>& pool() const noexcept { return how_.pool; }
  [[nodiscard]] bool here() const noexcept { return platform::fork_generation() == born_; }
  [[nodiscard]] const std::string& broken() const noexcept { return broken_; }
  [[nodiscard]] std::size_t open();

  // ---- future_home
  bool attend(future_object* of, sleeper& me, nanos until) override;
  void look() override;
  [[nodiscard]] bool is_running(std::uint64_t task) override;
  void cancel(future_object* of) override;
  void watch() override;
  void unwatch() override;

  // ---- payload
  engine::pulled pull(index) override { return {0, 0, true, false}; }
  engine::verdict encode(index id, writer& out) override;
  engine::verdict not_sent(index id, std::exception_ptr why) override;
  engine::verdict decode(index, bool, reader) override { return {}; }
  engine::verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index id) const override;
  engine::verdict fail(index, std::uint32_t, const engine::trouble&) override { return {}; }
  bool settled(index, bool, std::uint32_t, int) override { return true; }
  bool settled_values(index, index, int) override { return true; }
  [[nodiscard]] bool wants_each() const override { return true; }
  bool idle(void (*sleep)(void*), void* context) override { return sleep(context), true; }
  [[nodiscard]] std::string describe(index id) const override { return "task " + std::to_string(id); }

  // ---- events: from inbox::tell_one, with the GIL; refused() from fetch
  void values(index, index, int) override {}
  void invoked(index, std::uint32_t, int, engine::verdict) override {}
  void returned(index id, std::uint32_t attempt, int worker, bool ok, engine::verdict v, reader record) override;
  void lost(index id, std::uint32_t attempt, const engine::trouble& why) override;
  void refused(index id, std::uint32_t attempt, engine::verdict v) override;
  void heard(const engine::word& what) override;

 private:
  enum class stage : std::uint8_t { waiting, handed, ended };
  struct task {
    future_object* future = nullptr;  ///< owned; null once it has its outcome
    PyObject* item = nullptr;         ///< owned: what is large is written only when it is handed over, with the GIL
    bool pickled = false;             ///< item is what encode_pickled() takes
    std::uint64_t definition = 0;
    nanos limit = policy::never;
    std::uint32_t branch = 0;
    stage at = stage::waiting;
    bool stoppable = false;
    task_record record;
  };
  /// How workers know a function that was submitted before.
  struct shipped {
    ref function;
    std::uint64_t definitions[4] = {};  ///< by shape; 0: none yet
    ref checks;                         ///< (where, name, value, …): is all as it was?
  };
  using lock = std::unique_lock<std::mutex>;

  [[nodiscard]] task* find(index id) {
    return id < base_ || id >= end_id() ? nullptr : &tasks_[static_cast<std::size_t>(id - base_)];
  }
  [[nodiscard]] task& at(index id) { return tasks_[static_cast<std::size_t>(id - base_)]; }
  [[nodiscard]] index end_id() const noexcept { return base_ + tasks_.size(); }
  [[nodiscard]] bool backlog() const noexcept { return next_ < end_id(); }

  bool may_submit();
  PyObject* carry(task t, bool written);
  bool write(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names, task& t);
  bool write_chunk(PyObject* function, PyObject* items, bool star, task& t);
  bool encode_item(ref item, task& t);
  bool ship(PyObject* function, shape as, std::uint64_t& definition, ref& within);
  std::uint64_t define(std::span<const std::byte> blob);
  void enqueue(future_object* f, task&& t);
  void fail_at_once(future_object* f);
  void feed(lock& l, bool with_gil);
  void hand_over_now(lock& l, index id);
  ref take(index id);
  void forget(index id);
  void skip_ended();
  void fetch();
  void settle_arrived();
  void fail_open(const std::string& text);
  [[nodiscard]] ref broken_error(const std::string& text) const;
  void lay_baton_down(lock& l);
  void pass_turn(lock& l);
  void wait_with_baton(lock& l, nanos until);
  bool look_on(lock& l, sleeper& me, nanos until);
  void rest(lock& l, std::uint32_t ticket, nanos until);
  void employ_teller(PyObject* start);
  void tell_what_is_there();

  process_tasks_options how_;
  pickling pickling_;
  const std::uint32_t born_;
  const index busy_;  ///< with fewer handed over some worker may have nothing to do
  std::unordered_map<PyObject*, shipped> functions_;
  std::uint64_t carrier_ = 0;  ///< the definition of what runs a function that comes within its task
  std::string closed_why_, broken_;

  words words_;
  std::uint64_t told_ = 0;
  bool alone_ = false;  ///< no thread can be started any more: the settler tells what is said

  std::mutex lock_;
  detail::sleeper news_;                        ///< the settler's
  std::unique_ptr<engine::process_port> port_;  ///< behind all that it calls
  std::deque<task> tasks_;                      ///< from base_ on
  index base_ = 0, next_ = 0;                   ///< next_: the first that was not handed over
  index open_ = 0, handed_ = 0;
  std::deque<std::shared_ptr<engine::inbox>> arrived_;
  std::shared_ptr<engine::inbox> spare_;
  std::vector<index> refused_;
  std::unordered_map<index, std::exception_ptr> no_memory_;
  std::vector<sleeper*> onlookers_;  ///< who waits while another thread has the baton
  std::size_t watched_ = 0;
  nanos touched_ = 0;  ///< when somebody last fetched who waited
  std::uint64_t looked_ = 0;
  bool baton_ = false, settler_has_it_ = false, needs_gil_ = false;
  bool closed_ = false, dozing_ = false;
  nanos kill_grace_ = -1;
};

}  // namespace centimane::python
