// The Python side of one run: the engine's `payload` over Python objects. Holds the function, the items, the outcomes
// and the callbacks; decides nothing about when or where something runs.
//
// An index of the engine is a task: one item, or one chunk of `chunk` items where the user named a chunk size.
// All of it needs the GIL; `invoke_range` and `invoke_drawn` take it by themselves on a hand's thread, `idle` gives it
// away while it sleeps.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "centimane/detail/payload.hpp"
#include "centimane/detail/recorder.hpp"
#include "codec.hpp"
#include "policies.hpp"
#include "run/watch.hpp"
#include "shelf.hpp"
#include "source.hpp"

namespace centimane::python {

using engine::index;
using engine::nanos;

/// Thrown by idle() through the driver: what still runs is left to itself, its outcome will not be looked at.
struct abandoned {};
/// Thrown through the driver in a process that was forked in the middle of a run: the run is not here.
struct forked {};

enum class where : std::uint8_t { nowhere, here, threads, processes, loop };

struct job_options {
  ref function;
  bool star = false;               ///< the item is a tuple of arguments
  std::uint64_t chunk = 1;         ///< items a task
  bool stream = false;             ///< outcomes are taken one by one
  std::uint64_t window_bytes = 0;  ///< 0: no limit
  nanos deadline = policy::never;
  ref on_result;                     ///< on_result(ItemResult)
  ref on_progress;                   ///< on_progress(done, total), each item
  ref on_bar;                        ///< on_bar(done, total), now and then
  ref initializer;                   ///< once a thread, before its first item
  ref trouble;                       ///< makes the exception of a death, a timeout or a cancellation
  ref rebuild;                       ///< makes the exception that a worker described
  ref rescue, met_main, told, main;  ///< see pickling
  ref ask;                           ///< ask(n): further items of an async source are wanted
  ref refusal;                       ///< goes in a chunk in place of an item that cannot be pickled
  // A checkpoint, item keys: see job_checkpoint.cpp. All null without them.
  ref admit;              ///< admit(index, item) -> None or (value,): the item has come; what the checkpoint has of it
  ref keep;               ///< keep([(index, value), …]): writes values to the checkpoint
  ref waiting;            ///< {index: …}: what the checkpoint remembers of items that have no value yet
  ref keys;               ///< {index: key}, filled by admit
  bool insights = false;  ///< times are taken
  std::string trace;      ///< where it is to be written; empty: none
  ref on_event;           ///< on_event(…): see centimane.events.teller
  ref on_word;            ///< on_word(kind, bytes, item, worker): see centimane._hear
  long long length_hint = -1;  ///< for on_progress: len() of a source that is pulled all the same
  run_policies policies;
};

class job final : public engine::payload, public engine::recorder {
 public:
  explicit job(job_options options);
  ~job() override;
  bool open(PyObject* items) { return source_.open(items, static_cast<bool>(options_.admit)); }

  // ---- engine::payload
  engine::pulled pull(index at_most) override;
  engine::verdict encode(index task, writer& out) override;
  engine::verdict not_sent(index task, std::exception_ptr why) override;
  engine::verdict decode(index task, bool ok, reader in) override;
  engine::verdict invoke(index task, std::uint32_t attempt, int worker) override;
  index invoke_range(index first, index n, int worker, engine::verdict& last) override;
  void invoke_drawn(engine::supply& from, int worker) override;
  [[nodiscard]] std::uint64_t definition(index task) const override;
  std::string stack_of(int worker) override;
  engine::verdict fail(index task, std::uint32_t attempt, const engine::trouble& why) override;
  bool settled(index task, bool ok, std::uint32_t attempt, int worker) override;
  bool settled_values(index first, index n, int worker) override;
  std::uint64_t weighed() override { return std::exchange(weighed_, 0); }
  [[nodiscard]] bool wants_each() const override { return each_; }
  bool idle(void (*sleep)(void*), void* context) override;
  [[nodiscard]] index items_in(index first, index n) const override;
  [[nodiscard]] std::string describe(index task) const override;

  // ---- engine::recorder, where there is a checkpoint
  [[nodiscard]] bool records() const noexcept { return static_cast<bool>(options_.keep); }
  std::vector<index> restored() override { return std::exchange(restored_, {}); }
  void record(std::span<const index> items) override;

  // ---- on an event loop, where Python runs the attempts
  /// The item, or nothing with the error indicator set.
  [[nodiscard]] ref item(std::uint64_t i) const { return source_.item(i, outcomes); }
  /// An attempt's value, or its error: what is said of it.
  engine::verdict take_outcome(std::uint64_t i, bool ok, ref what, float seconds);
  /// Items of an async source. error: what it raised, else null.
  engine::pulled arrived(PyObject* list, bool ended, ref error);
  /// What idle() looks at before it sleeps: throws if the run is to be left now.
  void check_patience();

  // ---- for the run around it
  /// Where attempts happen; before the driver begins.
  void place(where executor, std::uint64_t function_id = 0) {
    where_ = executor;
    function_id_ = function_id;
  }
  /// What gives workers a definition, and what cuts off what runs. Empty before and after the run.
  std::function<void(PyObject* bytes)> define;
  std::function<void()> cut_off;
  /// Tasks, if their number is known from the start.
  [[nodiscard]] std::optional<std::uint64_t> total_tasks() const;
  [[nodiscard]] std::uint64_t known_items() const noexcept { return source_.known(); }
  /// The items that a map's result has a place for.
  [[nodiscard]] std::uint64_t result_items() const noexcept { return source_.length().value_or(source_.known()); }
  [[nodiscard]] std::uint64_t chunk() const noexcept { return options_.chunk; }
  [[nodiscard]] bool stream() const noexcept { return options_.stream; }
  [[nodiscard]] std::uint64_t window_bytes() const noexcept { return options_.window_bytes; }
  /// Of a stream with a window by bytes: what the task's items and values held, asked once.
  [[nodiscard]] std::uint64_t take_weight(index task);
  [[nodiscard]] nanos deadline() const noexcept { return options_.deadline; }
  [[nodiscard]] const run_policies& policies() const noexcept { return options_.policies; }
  /// What those who watch the run are told; nothing if nobody does.
  [[nodiscard]] std::optional<engine::watch::wishes> watchers();
  /// What a task in another process has said. False: the run stops.
  bool heard(const engine::word& what);
  /// Items with an outcome; of these, without a value, where tasks are chunks (else the engine knows).
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
  [[nodiscard]] std::uint64_t failed_in_chunks() const noexcept { return failed_; }
  /// The error that ends the run: of a callback, of a signal handler.
  [[nodiscard]] const ref& error() const noexcept { return error_; }
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }
  /// After Ctrl-C: when what runs is cut off.
  [[nodiscard]] nanos grace_until() const noexcept { return grace_until_; }
  /// At the run's end: throws on what the source has raised, if it has.
  void raise_source_error();
  /// Ends the run with an error from outside (a thread's initializer). Its driver sees it when it wakes.
  void give_up(ref error);
  /// False in a copy that a fork made.
  [[nodiscard]] bool here() const noexcept;
  /// From now on outcomes that come are dropped.
  void close() noexcept { closed_ = true; }
  [[nodiscard]] bool has_initializer() const noexcept { return static_cast<bool>(options_.initializer); }
  /// Calls the initializer on this thread, which is new to the run. False: it failed, or the run is over.
  bool make_ready();
  /// The progress bar's last word.
  void last_progress();

  /// An outcome as ItemResult: of item i, which has one. Null with the error indicator set.
  [[nodiscard]] PyObject* item_result(std::uint64_t i, const shelf::outcome& outcome) const;
  /// Of the items that took more than one: how many attempts. {index: attempts}, or null with the error indicator set.
  [[nodiscard]] ref attempts() const;
  /// A stream has handed the item out.
  void forget(std::uint64_t i);
  shelf outcomes;

 private:
  [[nodiscard]] std::uint64_t first_item(index task) const noexcept { return task * options_.chunk; }
  [[nodiscard]] std::uint64_t end_item(index task) const noexcept;
  [[nodiscard]] ref argument(index task) const;
  [[nodiscard]] ref call(PyObject* item) const;
  bool run_one(std::uint64_t item, bool in_context, std::uint64_t& tick, engine::verdict& last);
  engine::verdict judge(ref& error);
  bool refuse_items(index task, PyObject* list);
  void fail_task(index task, const ref& error, float seconds);
  void sit_down(int worker);
  [[nodiscard]] ref rebuilt(PyObject* record, std::uint64_t item) const;
  bool tell_event(const engine::happening& what);
  bool decode_chunk(index task, reader in, float seconds);
  bool note(index task, std::uint64_t items);
  /// Borrowed; null if it has none.
  [[nodiscard]] PyObject* key_of(std::uint64_t i) const;
  static void drop_key(PyObject* from, std::uint64_t i);
  void admit_from(std::uint64_t first, engine::pulled& got);
  bool stopping();
  bool check_signals();
  void interrupted(ref error);
  void source_failed(engine::pulled& got, ref error);
  void count_tasks(engine::pulled& got);
  void weigh(engine::pulled& got, std::uint64_t first);
  void weigh_values(index first, index n);

  job_options options_;
  source source_;
  pickling pickling_;
  ref context_;  ///< the caller's context, copied for each task on a thread
  ref error_;
  ref source_error_;          ///< what the source raised: what came before it is carried to its end, then it is raised
  const std::uint32_t born_;  ///< fork generation
  where where_ = where::nowhere;
  std::uint64_t function_id_ = 0;
  std::unordered_map<std::uint64_t, std::uint32_t> attempts_;  ///< of items that took another number than one
  std::uint64_t tasks_known_ = 0;
  std::vector<index> restored_;                       ///< what the checkpoint had of the items that have come
  std::unordered_map<index, std::uint64_t> weights_;  ///< of a stream's tasks: their items and values
  std::uint64_t weighed_ = 0;                         ///< values of which the engine has not been told
  std::unordered_set<std::uint64_t> refused_;  ///< items of chunks that could not be pickled: they have their errors
  std::uint64_t done_ = 0;                     ///< items with an outcome
  std::uint64_t failed_ = 0;                   ///< of these, in chunks, without a value
  std::uint64_t last_bar_ = 0;
  std::vector<unsigned long> threads_;  ///< who is, or was last, which worker
  int interrupts_ = 0;
  nanos grace_until_ = policy::never;
  bool each_ = false, closed_ = false, timed_out_ = false, cut_ = false;
};

/// The exception from an engine's account, by way of `make(item, attempt, how, stage, …)`.
ref explain(PyObject* make, std::uint64_t item, std::uint32_t attempt, const engine::trouble& why, bool run_timed_out);

/// On a hand's thread, outside invoke: the thread state to come back with. Null elsewhere.
extern thread_local PyThreadState* hand_state;

}  // namespace centimane::python
