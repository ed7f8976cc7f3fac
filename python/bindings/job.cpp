// See job.hpp.
#include "job.hpp"

#include <algorithm>
#include <unordered_set>

#include "item_result.hpp"
#include "platform/fork_generation.hpp"
#include "run.hpp"
#include "ticks.hpp"

namespace centimane::python {
namespace {

/// How long running tasks may go on after Ctrl-C before they are cut off: on processes killed, on threads left behind.
constexpr nanos process_grace = 3'000'000'000, thread_grace = 1'000'000'000;
/// How long the end of what was cut off is waited for.
constexpr nanos cut_grace = 5'000'000'000;
/// A progress bar hears from us about this often.
constexpr double bar_seconds = 0.05;
/// C functions do not look for signals: we do, each so many items.
constexpr std::uint64_t items_a_look = 1024;

const char* name_of(policy::outcome how) {
  switch (how) {
    case policy::outcome::died:
      return "died";
    case policy::outcome::overtime:
      return "overtime";
    default:
      return "cancelled";
  }
}

/// Calls back with these arguments. False: it raised.
template <class Call, class... Arguments>
bool told(Call call, Arguments... arguments) {
  return static_cast<bool>(ref::steal(user_call([&] { return call(arguments...); })));
}

/// The GIL for the time of a hand's call into Python; nothing on a thread that has it.
class in_python {
 public:
  in_python() : hand_(hand_state) {
    if (hand_ != nullptr) {
      hand_state = nullptr;
      come_back(hand_);
    }
  }
  in_python(const in_python&) = delete;
  in_python& operator=(const in_python&) = delete;
  ~in_python() {
    if (hand_ != nullptr) hand_state = PyEval_SaveThread();
  }

 private:
  PyThreadState* hand_;
};

}  // namespace

thread_local PyThreadState* hand_state = nullptr;

ref explain(PyObject* make, std::uint64_t item, std::uint32_t attempt, const engine::trouble& why, bool run_timed_out) {
  return ref::steal(user_call([&] {
    return PyObject_CallFunction(
        make, "KIssiiLiOOOs#s#LO", static_cast<unsigned long long>(item), static_cast<unsigned int>(attempt),
        name_of(why.how), name_of(why.where), why.signal, why.exit_code, static_cast<long long>(why.pid), why.worker,
        why.likely_oom ? Py_True : Py_False, why.poison ? Py_True : Py_False, why.unkillable ? Py_True : Py_False,
        why.text.data(), static_cast<Py_ssize_t>(why.text.size()), why.stack.data(),
        static_cast<Py_ssize_t>(why.stack.size()), static_cast<long long>(why.limit),
        run_timed_out ? Py_True : Py_False);
  }));
}

job::job(job_options options) : options_(std::move(options)), born_(platform::fork_generation()) {
  pickling_.rescue = options_.rescue.get();
  pickling_.met_main = options_.met_main.get();
  pickling_.told = options_.told.get();
  pickling_.main = options_.main.get();
  each_ = options_.on_result || options_.on_progress;
  context_ = ref::steal(PyContext_CopyCurrent());
  if (!context_) throw raised{};
}

job::~job() = default;

std::optional<std::uint64_t> job::total_tasks() const {
  auto items = source_.total();
  if (!items) return std::nullopt;
  return (*items + options_.chunk - 1) / options_.chunk;
}

std::uint64_t job::end_item(index task) const noexcept {
  return std::min(first_item(task) + options_.chunk, source_.known());
}

// ---- items

engine::pulled job::pull(index at_most) {
  engine::pulled got;
  if (stopping()) return got;  // the source is not touched any more
  const std::uint64_t chunk = options_.chunk, before = source_.known();
  if (source_.later()) {
    got.later = true;
    if (!told(PyObject_CallFunction, options_.ask.get(), "K", static_cast<unsigned long long>(at_most) * chunk))
      give_up(take_error());
    return got;
  }
  got = source_.pull(at_most * chunk - source_.known() % chunk, outcomes);
  if (got.failed) {
    source_failed(got, take_error());
  } else if (!check_signals()) {
    got.ended = false;
  }
  weigh(got, before);  // before items that the checkpoint knows are let go
  if (options_.admit) admit_from(before, got);
  count_tasks(got);
  if (platform::fork_generation() != born_) throw forked{};
  return got;
}

engine::pulled job::arrived(PyObject* list, bool ended, ref error) {
  engine::pulled got;
  const std::uint64_t before = source_.known();
  source_.add(list, outcomes);
  weigh(got, before);
  got.ended = ended;
  if (error) source_failed(got, std::move(error));
  if (options_.admit) admit_from(before, got);
  count_tasks(got);
  return got;
}

/// What came before the error is carried to its end.
void job::source_failed(engine::pulled& got, ref error) {
  if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) {
    interrupted(std::move(error));
  } else if (PyErr_GivenExceptionMatches(error.get(), PyExc_Exception) == 0) {
    give_up(std::move(error));  // SystemExit and its like do not wait
  } else {
    source_error_ = std::move(error);
    got.failed = false;
    got.ended = true;
  }
}

/// The last task may be a chunk that is not full.
void job::count_tasks(engine::pulled& got) {
  const std::uint64_t tasks = (source_.known() + (got.ended ? options_.chunk - 1 : 0)) / options_.chunk;
  got.count = tasks - tasks_known_;
  tasks_known_ = tasks;
}

void job::raise_source_error() {
  if (!source_error_) return;
  put_error_back(std::exchange(source_error_, ref()));
  throw raised{};
}

/// What goes to a worker: the item, or the list of a chunk's items.
ref job::argument(index task) const {
  if (options_.chunk == 1) return source_.item(task, outcomes);
  const std::uint64_t begin = first_item(task), end = end_item(task);
  ref list = ref::steal(PyList_New(static_cast<Py_ssize_t>(end - begin)));
  if (!list) return {};
  for (std::uint64_t i = begin; i < end; ++i) {
    ref item = source_.item(i, outcomes);
    if (!item) return {};
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i - begin), item.release());
  }
  return list;
}

void job::fail_task(index task, const ref& error, float seconds) {
  for (std::uint64_t i = first_item(task); i < end_item(task); ++i) {
    if (refused_.empty() || !refused_.contains(i)) outcomes.put_error(i, error, seconds);
  }
}

/// Of a chunk that cannot be pickled, the items that are to blame fail alone: each has its error here, and None goes in
/// its place with `refusal`, which the worker does not call the function for. False: none is left, or none was found.
bool job::refuse_items(index task, PyObject* list) {
  const std::uint64_t begin = first_item(task), n = end_item(task) - begin;
  std::uint64_t bad = 0;
  for (std::uint64_t k = 0; k < n; ++k) {
    writer tried;
    ref before;
    if (encode_value(PyList_GET_ITEM(list, static_cast<Py_ssize_t>(k)), tried, pickling_, &before)) {
      if (before && define) define(before.get());
      continue;
    }
    ref error = take_error();
    if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) return interrupted(error), false;
    outcomes.put_error(begin + k, std::move(error), -1);
    refused_.insert(begin + k);
    if (PyList_SetItem(list, static_cast<Py_ssize_t>(k), ref::borrow(options_.refusal.get()).release()) != 0)
      return PyErr_Clear(), false;
    ++bad;
  }
  return bad > 0 && bad < n;
}

/// Does the policy name this error, and what wait does it ask for? A judge that raises has spoken: what it raised is
/// the item's error.
engine::verdict job::judge(ref& error) {
  engine::verdict v{.ok = false};
  if (!options_.policies.judge || closed_) return v;
  ref answer = ref::steal(user_call([&] { return PyObject_CallOneArg(options_.policies.judge.get(), error.get()); }));
  const double seconds = !answer || answer.get() == Py_None ? 0 : PyFloat_AsDouble(answer.get());
  if (PyErr_Occurred() != nullptr) {
    ref raised = take_error();
    if (PyErr_GivenExceptionMatches(raised.get(), PyExc_KeyboardInterrupt) != 0) return interrupted(raised), v;
    PyException_SetContext(raised.get(), error.release());
    error = std::move(raised);
    return v;
  }
  v.retryable = answer.get() != Py_None;
  v.server_wait = seconds >= 9e9 ? policy::never : static_cast<nanos>(seconds * 1e9);
  return v;
}

engine::verdict job::encode(index task, writer& out) {
  if (options_.chunk == 1) {
    if (const auto n = source_.number(task)) return encode_number(*n, out), engine::verdict{};
  }
  ref value = argument(task), before;
  const std::size_t begin = out.size();
  if (value && encode_value(value.get(), out, pickling_, &before)) {
    if (before && define) define(before.get());
    return {};
  }
  ref error = take_error();
  if (value && options_.chunk > 1 && refuse_items(task, value.get())) {
    out.rewrite(begin);
    if (encode_value(value.get(), out, pickling_, &before)) {
      if (before && define) define(before.get());
      return {};
    }
    error = take_error();
  }
  if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) interrupted(error);
  fail_task(task, error, -1);
  return {.ok = false};
}

engine::verdict job::not_sent(index task, std::exception_ptr why) {
  try {
    std::rethrow_exception(std::move(why));
  } catch (...) {
    translate_exception();
  }
  fail_task(task, take_error(), -1);
  return {.ok = false};
}

std::uint64_t job::definition(index) const { return function_id_; }

// ---- outcomes

/// The exception that a worker described, or the one about a record that cannot be read.
ref job::rebuilt(PyObject* record, std::uint64_t item) const {
  return ref::steal(user_call([&] {
    return PyObject_CallFunction(options_.rebuild.get(), "OK", record, static_cast<unsigned long long>(item));
  }));
}

bool job::decode_chunk(index task, reader in, float seconds) {
  ref list = ref::steal(decode_value(in));
  const std::uint64_t begin = first_item(task), n = end_item(task) - begin;
  if (!list) return false;
  // A list of values, or a tuple (values, {place: described error}) if some failed.
  ref errors;
  if (PyTuple_CheckExact(list.get()) && PyTuple_GET_SIZE(list.get()) == 2) {
    errors = ref::borrow(PyTuple_GET_ITEM(list.get(), 1));
    list = ref::borrow(PyTuple_GET_ITEM(list.get(), 0));
  }
  if (!PyList_CheckExact(list.get()) || static_cast<std::uint64_t>(PyList_GET_SIZE(list.get())) != n ||
      (errors && !PyDict_CheckExact(errors.get()))) {
    PyErr_SetString(PyExc_ValueError, "damaged record: not the outcomes of a chunk");
    return false;
  }
  const float each = seconds / static_cast<float>(n);
  for (std::uint64_t k = 0; k < n; ++k) {
    if (!refused_.empty() && refused_.contains(begin + k)) continue;
    outcomes.put_value(begin + k, ref::borrow(PyList_GET_ITEM(list.get(), static_cast<Py_ssize_t>(k))), each);
  }
  if (errors) {
    PyObject *place = nullptr, *record = nullptr;
    Py_ssize_t at = 0;
    while (PyDict_Next(errors.get(), &at, &place, &record) != 0) {
      std::uint64_t k = PyLong_AsUnsignedLongLong(place);
      if (k >= n)
        return PyErr_Clear(), PyErr_SetString(PyExc_ValueError, "damaged record: no such place in the chunk"), false;
      ref error = rebuilt(record, begin + k);
      if (!error) return false;
      if (refused_.empty() || !refused_.contains(begin + k)) outcomes.put_error(begin + k, std::move(error), each);
    }
  }
  return true;
}

engine::verdict job::decode(index task, bool ok, reader in) {
  if (closed_) return {.ok = ok};
  float seconds = 0;
  if (in.remaining() >= sizeof seconds) seconds = in.raw<float>();
  if (ok && options_.chunk > 1) {
    if (decode_chunk(task, in, seconds)) return {};
  } else if (ref value = ref::steal(decode_value(in)); value) {
    if (ok) {
      outcomes.put_value(task, std::move(value), seconds);
      outcomes.drop_item(task);
      return {};
    }
    ref error = rebuilt(value.get(), first_item(task));
    if (error) {
      const engine::verdict v = judge(error);
      fail_task(task, error, seconds);
      return v;
    }
  }
  // The record is whole, but this process cannot make an object of it.
  ref cause = take_error();
  if (PyErr_GivenExceptionMatches(cause.get(), PyExc_KeyboardInterrupt) != 0) interrupted(cause);
  ref error = rebuilt(cause.get(), first_item(task));
  if (!error) error = take_error();
  fail_task(task, error, seconds);
  return {.ok = false};
}

engine::verdict job::fail(index task, std::uint32_t attempt, const engine::trouble& why) {
  const bool begun = why.how != policy::outcome::cancelled || why.where == engine::stage::run;
  const bool late = monotonic_now() >= options_.deadline;
  ref error = explain(options_.trouble.get(), first_item(task), begun ? attempt : 0, why, late);
  if (!error) error = take_error();
  const engine::verdict v = why.how == policy::outcome::cancelled ? engine::verdict{.ok = false} : judge(error);
  fail_task(task, error, begun ? 0 : -1);
  return v;
}

// ---- attempts in this process

ref job::call(PyObject* item) const {
  PyObject* function = options_.function.get();
  if (!options_.star) return ref::steal(user_call([&] { return PyObject_CallOneArg(function, item); }));
  ref arguments = ref::steal(user_call([&] { return PySequence_Tuple(item); }));  // a tuple is itself
  if (!arguments) return {};
  return ref::steal(user_call([&] { return PyObject_Call(function, arguments.get(), nullptr); }));
}

/// Runs one item here. tick: when the one before it ended, so that one look at the counter an item is enough. False: it
/// did not end in a value; `last` says what follows.
bool job::run_one(std::uint64_t i, bool in_context, std::uint64_t& tick, engine::verdict& last) {
  ref item = source_.item(i, outcomes);
  ref value;
  if (!item) {
  } else if (in_context) {
    ref context = ref::steal(PyContext_Copy(context_.get()));
    if (context && PyContext_Enter(context.get()) == 0) {
      value = call(item.get());
      if (!value) {
        ref error = take_error();  // Exit must not see an error indicator
        PyContext_Exit(context.get());
        put_error_back(std::move(error));
      } else {
        PyContext_Exit(context.get());
      }
    }
  } else {
    value = call(item.get());
  }
  const std::uint64_t now = ticks();
  const float seconds = seconds_between(tick, now);
  tick = now;
  if (closed_) return PyErr_Clear(), last = {.ok = false}, false;
  if (engine::past_limit()) {  // neither value nor error counts, but Ctrl-C does
    ref error = value ? ref() : take_error();
    if (error && !in_context && PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0)
      interrupted(error);
    return last = {.ok = false}, false;
  }
  if (value) {
    outcomes.drop_item(i);
    outcomes.put_value(i, std::move(value), seconds);
    return true;
  }
  ref error = take_error();
  // Inline, on the caller's own thread, this is Ctrl-C and not the item's affair.
  if (!in_context && PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) {
    interrupted(error);
    last = {.ok = false};
  } else {
    last = judge(error);
  }
  if (!last.retryable) outcomes.drop_item(i);
  outcomes.put_error(i, std::move(error), seconds);
  return false;
}

engine::verdict job::invoke(index task, std::uint32_t, int worker) {
  engine::verdict last;
  invoke_range(task, 1, worker, last);
  return last;
}

index job::invoke_range(index first, index n, int worker, engine::verdict& last) {
  const bool on_hand = where_ == where::threads;
  last = {};
  in_python now;
  if (on_hand) sit_down(worker);
  std::uint64_t tick = ticks();
  for (index k = 0; k < n; ++k) {
    if (!run_one(first + k, on_hand, tick, last)) return k + 1;
    if (!on_hand && (k + 1) % items_a_look == 0 && !check_signals()) return k + 1;
  }
  return n;
}

void job::invoke_drawn(engine::supply& from, int worker) {
  const bool on_hand = where_ == where::threads;
  in_python now;
  if (on_hand) sit_down(worker);
  index task = 0;
  std::uint32_t attempt = 1;
  if (!from.draw(nullptr, task, attempt)) return;
  engine::verdict last;
  std::uint64_t tick = ticks();
  do {
    last = {};
    run_one(task, on_hand, tick, last);
  } while (from.draw(&last, task, attempt));
}

/// This thread is that worker from now on.
void job::sit_down(int worker) {
  const auto me = static_cast<std::size_t>(worker);
  if (threads_.size() <= me) threads_.resize(me + 1);
  threads_[me] = PyThread_get_thread_ident();
}

std::string job::stack_of(int worker) {
  const auto its = static_cast<std::size_t>(worker);
  if (closed_ || its >= threads_.size()) return {};
  const ref text = stack_of_thread(threads_[its]);
  const char* read = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (read != nullptr) return read;
  ref error = take_error();
  if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) interrupted(std::move(error));
  return {};
}

engine::verdict job::take_outcome(std::uint64_t i, bool ok, ref what, float seconds) {
  engine::verdict v;
  if (ok) {
    outcomes.put_value(i, std::move(what), seconds);
  } else {
    v = judge(what);
    outcomes.put_error(i, std::move(what), seconds);
  }
  return v;
}

bool job::make_ready() {
  if (error_ || closed_) return false;
  ref done = ref::steal(user_call([&] { return PyObject_CallNoArgs(options_.initializer.get()); }));
  if (!done) {
    give_up(take_error());
    return false;
  }
  return true;
}

// ---- callbacks and stopping

void job::give_up(ref error) {
  if (!error_) error_ = std::move(error);
}

void job::interrupted(ref error) {
  ++interrupts_;
  if (interrupts_ == 1) {
    error_ = std::move(error);
    grace_until_ = monotonic_now() + (where_ == where::processes ? process_grace : thread_grace);
  } else {
    grace_until_ = monotonic_now();
  }
}

/// Signals reach Python only on the main thread; elsewhere this does nothing.
bool job::check_signals() {
  if (user_call(PyErr_CheckSignals) == 0) return !stopping() && !options_.policies.stopped();
  ref error = take_error();
  interrupted(std::move(error));
  return false;
}

bool job::here() const noexcept { return platform::fork_generation() == born_; }

bool job::stopping() { return static_cast<bool>(error_); }

PyObject* job::item_result(std::uint64_t i, const shelf::outcome& outcome) const {
  const auto many = attempts_.empty() ? attempts_.end() : attempts_.find(i);
  const int attempts = many != attempts_.end() ? static_cast<int>(many->second) : outcome.seconds < 0 ? 0 : 1;
  return make_item_result(i, outcome.ok ? outcome.what : nullptr, outcome.ok ? nullptr : outcome.what, attempts,
                          outcome.seconds > 0 ? static_cast<double>(outcome.seconds) : 0.0, key_of(i));
}

ref job::attempts() const {
  ref all = ref::steal(PyDict_New());
  for (const auto& [item, attempts] : attempts_) {
    const ref key = ref::steal(PyLong_FromUnsignedLongLong(item)),
              value = ref::steal(PyLong_FromUnsignedLong(attempts));
    if (!all || !key || !value || PyDict_SetItem(all.get(), key.get(), value.get()) != 0) return {};
  }
  return all;
}

/// Tells the callbacks that a task's items have their outcomes. False: the run stops.
bool job::note(index task, std::uint64_t items) {
  const std::uint64_t begin = first_item(task);
  const long long total = options_.length_hint >= 0 ? options_.length_hint : static_cast<long long>(source_.known());
  for (std::uint64_t i = begin; i < begin + items; ++i) {
    ++done_;
    if (options_.on_result && !error_) {
      ref result = ref::steal(item_result(i, outcomes.get(i)));
      if (!result || !told(PyObject_CallOneArg, options_.on_result.get(), result.get())) give_up(take_error());
    }
    if (options_.on_progress && !error_) {
      const ref done = ref::steal(PyLong_FromUnsignedLongLong(done_)), all = ref::steal(PyLong_FromLongLong(total));
      if (!done || !all ||
          !told(PyObject_CallFunctionObjArgs, options_.on_progress.get(), done.get(), all.get(), nullptr))
        give_up(take_error());
    }
  }
  if (platform::fork_generation() != born_) throw forked{};  // a callback forked, and this is the child
  if (error_ && interrupts_ == 0 && PyErr_GivenExceptionMatches(error_.get(), PyExc_KeyboardInterrupt) != 0)
    interrupted(error_);
  if (options_.on_bar && !error_) {
    const std::uint64_t now = ticks();
    if (last_bar_ == 0 || static_cast<double>(seconds_between(last_bar_, now)) > bar_seconds) {
      last_bar_ = now;
      last_progress();
    }
  }
  return !stopping();
}

std::optional<engine::watch::wishes> job::watchers() {
  if (!options_.insights && options_.trace.empty() && !options_.on_event) return std::nullopt;
  engine::watch::wishes all;
  all.trace = options_.trace;
  if (options_.on_event) all.hook = [this](const engine::happening& what) { return tell_event(what); };
  return all;
}

bool job::heard(const engine::word& what) {
  if (closed_ || !options_.on_word) return true;
  const ref done = ref::steal(user_call([&] {
    return PyObject_CallFunction(
        options_.on_word.get(), "iy#Ki", static_cast<int>(what.kind), reinterpret_cast<const char*>(what.text.data()),
        static_cast<Py_ssize_t>(what.text.size()), static_cast<unsigned long long>(first_item(what.item)), what.worker);
  }));
  if (!done) give_up(take_error());
  if (platform::fork_generation() != born_) throw forked{};
  return !stopping();
}

bool job::tell_event(const engine::happening& what) {
  const auto seconds = [](nanos t) { return static_cast<double>(t) * 1e-9; };
  const bool attempt = what.what == engine::happening::attempt_ended;
  const int how = what.what == engine::happening::run_ended ? static_cast<int>(what.end) : static_cast<int>(what.how);
  if (stopping() && what.what != engine::happening::run_ended) return false;
  // The last word is told even if the run ends by an error, which is not covered by one of its own.
  const ref done = ref::steal(user_call([&] {
    return PyObject_CallFunction(options_.on_event.get(), "idddKKIiLiOiid", static_cast<int>(what.what),
                                 seconds(what.at), seconds(attempt ? what.times.opened : what.from),
                                 seconds(what.until), static_cast<unsigned long long>(what.item),
                                 static_cast<unsigned long long>(what.count), static_cast<unsigned int>(what.attempt),
                                 what.worker, static_cast<long long>(what.pid), how, what.final ? Py_True : Py_False,
                                 what.signal, what.exit_code, seconds(what.times.ran - what.times.running));
  }));
  if (!done) give_up(take_error());
  if (platform::fork_generation() != born_) throw forked{};  // the hook forked, and this is the child
  return !stopping();
}

void job::last_progress() {
  if (!options_.on_bar) return;
  const long long total = options_.length_hint >= 0 ? options_.length_hint : static_cast<long long>(source_.known());
  if (!told(PyObject_CallFunction, options_.on_bar.get(), "KL", static_cast<unsigned long long>(done_), total))
    give_up(take_error());
}

bool job::settled(index task, bool ok, std::uint32_t attempt, int) {
  const std::uint64_t items = end_item(task) - first_item(task);
  if (attempt > 1) attempts_[task] = attempt;  // policies on items have no chunks
  if (!ok && options_.waiting) drop_key(options_.waiting.get(), task);
  if (options_.chunk > 1) {
    for (std::uint64_t i = first_item(task); i < end_item(task); ++i) {
      outcomes.drop_item(i);
      if (!outcomes.get(i).ok) ++failed_;
    }
  } else {
    outcomes.drop_item(task);
  }
  if (ok) weigh_values(task, 1);
  return note(task, items) && check_signals();
}

bool job::settled_values(index first, index n, int) {
  if (options_.chunk > 1) {
    for (index task = first; task < first + n; ++task) {
      if (!settled(task, true, 1, -1)) return false;
    }
    return true;
  }
  weigh_values(first, n);
  done_ += n - 1;
  return note(first + n - 1, 1) && check_signals();
}

bool job::idle(void (*sleep)(void*), void* context) {
  if (closed_) {  // an executor is being taken down: nothing can be thrown any more
    without_gil others;
    sleep(context);
    return true;
  }
  check_patience();
  {
    without_gil others;
    sleep(context);
  }
  return check_signals();
}

void job::check_patience() {
  if (platform::fork_generation() != born_) throw forked{};
  const nanos now = monotonic_now();
  // Threads cannot be ended: at the run's end their tasks are left to themselves.
  if (where_ == where::threads && now >= options_.deadline) {
    timed_out_ = true;
    throw abandoned{};
  }
  if (error_ && interrupts_ == 0) throw abandoned{};
  if (interrupts_ > 0 && now >= grace_until_) {
    if (where_ == where::processes && !cut_ && cut_off) {
      cut_ = true;
      grace_until_ = now + cut_grace;
      cut_off();
    } else {
      throw abandoned{};
    }
  }
}

index job::items_in(index first, index n) const {
  if (options_.chunk == 1) return n;
  return std::min(first_item(first + n), source_.known()) - std::min(first_item(first), source_.known());
}

std::string job::describe(index task) const {
  if (options_.chunk == 1) return "item " + std::to_string(task);
  return "items " + std::to_string(first_item(task)) + " to " + std::to_string(end_item(task) - 1);
}

}  // namespace centimane::python
