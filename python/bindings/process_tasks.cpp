// See process_tasks.hpp. Here: what submits, feeds and takes back; process_settling.cpp has the way back.
#include "process_tasks.hpp"

#include <algorithm>

#include "ticks.hpp"

namespace centimane::python {
namespace {

/// Tasks that are submitted while every worker has some more in hand are handed over in bundles of that many.
constexpr index bundle = 32;
/// Functions whose blobs are kept; beyond that the table begins anew.
constexpr std::size_t most_functions = 512;

/// Says that something is large, and takes none of it.
class too_large final : public annex {
 public:
  std::uint32_t put(std::span<const part>) override {
    met = true;
    throw std::length_error("large");
  }
  void drop() noexcept override {}
  bool met = false;
};

/// A task that is encoded while it is handed over: on this thread, from its Python value.
struct direct {
  index id;
  PyObject* item;
  bool pickled;
  std::uint64_t definition;
  ref error;
};
thread_local direct* present = nullptr;

/// Lends this thread's writer to one submit at a time; a __reduce__ that submits gets another.
class borrowed_writer {
 public:
  borrowed_writer() noexcept : mine_(std::exchange(kept(), writer())) {}
  borrowed_writer(const borrowed_writer&) = delete;
  borrowed_writer& operator=(const borrowed_writer&) = delete;
  ~borrowed_writer() {
    mine_.clear();
    mine_.attach(nullptr);
    kept() = std::move(mine_);
  }
  [[nodiscard]] writer& get() noexcept { return mine_; }

 private:
  static writer& kept() noexcept {
    static thread_local writer one;
    return one;
  }
  writer mine_;
};

std::span<const std::byte> view_of(PyObject* bytes) {
  return {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(bytes)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

/// Are all the bindings that a function was written with as they were?
bool unchanged(PyObject* checks) {
  if (checks == nullptr || checks == Py_None) return true;
  for (Py_ssize_t i = 0; i + 2 < PyTuple_GET_SIZE(checks); i += 3) {
    PyObject *where = PyTuple_GET_ITEM(checks, i), *name = PyTuple_GET_ITEM(checks, i + 1),
             *expected = PyTuple_GET_ITEM(checks, i + 2);
    if (PyDict_CheckExact(where)) {
      PyObject* now = PyDict_GetItemWithError(where, name);
      if (now == nullptr) PyErr_Clear();
      if (now != expected) return false;
    } else if (PyCell_Check(where)) {
      if (PyCell_GET(where) != expected) return false;
    } else {
      const ref now = ref::steal(PyObject_GetAttr(where, name));
      if (!now) PyErr_Clear();
      if (now.get() != expected) return false;
    }
  }
  return true;
}

}  // namespace

process_tasks::process_tasks(process_tasks_options how)
    : how_(std::move(how)), born_(platform::fork_generation()), busy_(2 * index{how_.pool->workers()}) {
  pickling_.rescue = how_.rescue.get();
  pickling_.met_main = how_.met_main.get();
  pickling_.told = how_.told.get();
  pickling_.main = how_.main.get();
  port_ = std::make_unique<engine::process_port>(how_.pool, *this);
  port_->listen([this](const engine::word& what) {
    if (words_.put(what)) return false;
    news_.ring();
    return true;  // the settler may be in the port's own wait
  });
}

process_tasks::~process_tasks() {
  if (here() || !port_) return;
  (void)port_.release();  // the parent's
  new std::shared_ptr<engine::pool>(std::move(how_.pool));
}

// ---- submitting

bool process_tasks::may_submit() {
  if (!here()) {
    translate([] { throw pool_forked("this executor belongs to the process that made it, not to its fork"); });
    return false;
  }
  if (!broken_.empty()) {
    put_error_back(broken_error(broken_));
    return false;
  }
  if (closed_) {
    PyErr_SetString(PyExc_RuntimeError, closed_why_.c_str());
    return false;
  }
  if (how_.break_on_death && port_ && how_.pool->deaths() > 0) {
    fail_open("a worker process died");
    put_error_back(broken_error(broken_));
    return false;
  }
  return true;
}

PyObject* process_tasks::submit(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names, nanos limit,
                                bool stoppable) {
  if (!may_submit()) return nullptr;
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  task t;
  t.limit = limit;
  t.stoppable = stoppable;
  const bool written = write(function, args, n, names, t);
  return carry(std::move(t), written);
}

PyObject* process_tasks::submit_chunk(PyObject* function, PyObject* items, bool star) {
  if (!may_submit()) return nullptr;
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  task t;
  const bool written = write_chunk(function, items, star, t);
  return carry(std::move(t), written);
}

/// The future of a task that was written, or could not be: then the error indicator says why.
PyObject* process_tasks::carry(task t, bool written) {
  ref error = written ? ref() : take_error();
  const ref future = ref::steal(reinterpret_cast<PyObject*>(new_future()));
  if (error) put_error_back(std::move(error));
  if (!future) return nullptr;
  future_object* f = reinterpret_cast<future_object*>(future.get());
  if (written) {
    enqueue(f, std::move(t));
  } else if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0) {
    return nullptr;
  } else {
    fail_at_once(f);
  }
  if (PyErr_Occurred() != nullptr) return nullptr;
  return ref(future).release();
}

/// What cannot be written fails through its future, as it does in the standard library.
void process_tasks::fail_at_once(future_object* f) {
  ref error = take_error();
  ref shown = ref::steal(user_call([&] { return PyObject_CallOneArg(how_.unsendable.get(), error.get()); }));
  if (!shown) shown = take_error();
  settle_with_exception(f, std::move(shown));
}

bool process_tasks::write(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names, task& t) {
  ref within;
  if (!ship(function, names != nullptr ? shape::with_keywords : shape::plain, t.definition, within)) return false;
  ref item = ref::steal(PyTuple_New(n));
  if (!item) return false;
  for (Py_ssize_t i = 0; i < n; ++i) PyTuple_SET_ITEM(item.get(), i, ref::borrow(args[i]).release());
  if (names != nullptr || within) {
    ref keywords = ref::steal(PyDict_New());
    for (Py_ssize_t i = 0; keywords && names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
      if (PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(names, i), args[n + i]) != 0) return false;
    }
    if (!keywords) return false;
    item = within ? ref::steal(PyTuple_Pack(3, within.get(), item.get(), keywords.get()))
                  : ref::steal(PyTuple_Pack(2, item.get(), keywords.get()));
    if (!item) return false;
  }
  return encode_item(std::move(item), t);
}

bool process_tasks::write_chunk(PyObject* function, PyObject* items, bool star, task& t) {
  ref within;
  if (!ship(function, star ? shape::chunk_star : shape::chunk, t.definition, within)) return false;
  if (!within) return encode_item(ref::borrow(items), t);
  ref item = ref::steal(Py_BuildValue("O(O){}", within.get(), items));
  return item && encode_item(std::move(item), t);
}

bool process_tasks::encode_item(ref item, task& t) {
  borrowed_writer out;
  too_large probe;
  out.get().attach(&probe);
  ref before, large;
  if (encode_value(item.get(), out.get(), pickling_, &before, &large)) {
    if (before) define(view_of(before.get()));
    t.pickled = static_cast<bool>(large);
    t.item = large.release();
    if (!t.pickled) t.record.assign(out.get().view());
    return true;
  }
  if (!probe.met) return false;
  PyErr_Clear();
  t.item = item.release();
  return true;
}

/// The definition of a function, or the function as bytes that go within its task.
bool process_tasks::ship(PyObject* function, shape as, std::uint64_t& definition, ref& within) {
  static constexpr char kinds[] = {'*', 'k', 'L', 'T'};
  const std::size_t number = static_cast<std::size_t>(as);
  const auto found = functions_.find(function);
  const bool same = found != functions_.end() && unchanged(found->second.checks.get());
  if (same) {
    definition = found->second.definitions[number];
    if (definition != 0) return true;
  }
  const bool seen = found != functions_.end();
  const ref answer = ref::steal(user_call([&] {
    return PyObject_CallFunction(how_.ship.get(), "Oy#O", function, &kinds[number], Py_ssize_t{1},
                                 seen ? Py_True : Py_False);
  }));
  if (!answer) return false;
  PyObject *blob = nullptr, *checks = nullptr;
  int how = 0;
  if (PyArg_ParseTuple(answer.get(), "OiO", &blob, &how, &checks) == 0) return false;
  if (how != 0) {
    if (functions_.size() >= most_functions) functions_.clear();
    shipped& s = functions_[function];
    s.function = ref::borrow(function);
    s.checks = ref::unless_none(checks);
    if (!same) std::ranges::fill(s.definitions, std::uint64_t{0});
    if (how == 2) {
      definition = define(view_of(blob));
      s.definitions[number] = definition;
      return true;
    }
  }
  if (carrier_ == 0) {
    static constexpr char name[] = "Wcarry";
    carrier_ = define(std::as_bytes(std::span(name, sizeof name - 1)));
  }
  definition = carrier_;
  within = ref::borrow(blob);
  return true;
}

std::uint64_t process_tasks::define(std::span<const std::byte> blob) {
  const lock l(lock_);
  return port_->define(blob);
}

void process_tasks::enqueue(future_object* f, task&& t) {
  const bool large = t.item != nullptr;
  lock l(lock_);
  const index id = end_id();
  f->home = shared_from_this();
  f->task = id;
  t.future = reinterpret_cast<future_object*>(ref::borrow(reinterpret_cast<PyObject*>(f)).release());
  tasks_.push_back(std::move(t));
  ++open_;
  if (large || handed_ < busy_ || (end_id() - next_) % bundle == 0) feed(l, true);
  if (dozing_ && backlog()) {
    dozing_ = false;
    news_.ring();
  }
}

// ---- handing over

void process_tasks::skip_ended() {
  while (backlog() && at(next_).at == stage::ended) ++next_;
  while (!tasks_.empty() && tasks_.front().at == stage::ended && base_ < next_) {
    tasks_.pop_front();
    ++base_;
  }
}

/// Gives workers as many tasks as they have room for. Without the GIL it stops at a task that needs it.
void process_tasks::feed(lock& l, bool with_gil) {
  needs_gil_ = false;
  skip_ended();
  index first = 0, n = 0;
  nanos limit = policy::never;
  const auto hand_in = [&] {
    if (n == 0) return;
    handed_ += n;
    port_->start(first, std::exchange(n, 0), 1, limit);
  };
  for (index room = backlog() ? port_->room() : 0; room > 0 && backlog();) {
    const index id = next_;
    task& t = at(id);
    if (t.at == stage::ended) {
      ++next_;
      continue;
    }
    if (t.item != nullptr) {
      hand_in();
      if (!with_gil) {
        needs_gil_ = true;
        return;
      }
      ++next_;
      hand_over_now(l, id);
      room = port_->room();
      continue;
    }
    ++next_;
    t.at = stage::handed;
    --room;
    if (t.stoppable) {
      hand_in();
      ++handed_;
      t.branch = port_->start_branch(id, 1, t.limit);
      continue;
    }
    if (n != 0 && (id != first + n || t.limit != limit)) hand_in();
    if (n == 0) {
      first = id;
      limit = t.limit;
    }
    ++n;
  }
  hand_in();
}

/// A large task goes from its Python value straight to where workers read it. With the GIL; user code may run.
void process_tasks::hand_over_now(lock& l, index id) {
  task& t = at(id);
  t.at = stage::handed;
  ++handed_;
  direct d{id, std::exchange(t.item, nullptr), t.pickled, t.definition, {}};
  const ref item = ref::steal(d.item);
  const nanos limit = t.limit;
  const bool stoppable = t.stoppable;
  l.unlock();
  direct* outer = std::exchange(present, &d);
  std::uint32_t branch = 0;
  if (stoppable) {
    branch = port_->start_branch(id, 1, limit);
  } else {
    port_->start(id, 1, 1, limit);
  }
  present = outer;
  if (d.error) {
    const ref future = take(id);
    if (future) {
      put_error_back(std::move(d.error));
      fail_at_once(reinterpret_cast<future_object*>(future.get()));
    }
    l.lock();
    return;
  }
  l.lock();
  if (task* still = find(id)) still->branch = branch;
}

engine::verdict process_tasks::encode(index id, writer& out) {
  if (present != nullptr && present->id == id) {
    ref before;
    if (present->pickled ? encode_pickled(present->item, out) : encode_value(present->item, out, pickling_, &before)) {
      if (before) define(view_of(before.get()));
      return {};
    }
    present->error = take_error();
    return {.ok = false};
  }
  task& t = at(id);  // under lock_
  const auto bytes = t.record.view();
  out.bytes(bytes.data(), bytes.size());
  t.record.drop();
  return {};
}

std::uint64_t process_tasks::definition(index id) const {
  if (present != nullptr && present->id == id) return present->definition;
  return tasks_[static_cast<std::size_t>(id - base_)].definition;
}

engine::verdict process_tasks::not_sent(index id, std::exception_ptr why) {
  if (present != nullptr && present->id == id) {
    translate([&] { std::rethrow_exception(why); });
    present->error = take_error();
  } else {
    no_memory_[id] = std::move(why);  // under lock_
  }
  return {.ok = false};
}

// ---- taking back

void process_tasks::forget(index id) {
  at(id).at = stage::ended;
  skip_ended();
}

/// The future of a task that has its outcome now; nothing if it had one.
ref process_tasks::take(index id) {
  const lock l(lock_);
  task* t = find(id);
  if (t == nullptr || t->at == stage::ended) return {};
  ref future = ref::steal(reinterpret_cast<PyObject*>(std::exchange(t->future, nullptr)));
  if (t->at == stage::handed) --handed_;
  if (t->branch != 0) port_->leave_branch(t->branch);
  t->record.drop();
  --open_;
  forget(id);
  if (open_ == 0 && closed_) news_.ring();
  return future;
}

bool process_tasks::is_running(std::uint64_t id) {
  if (!here()) return false;
  const lock l(lock_);
  const task* t = find(id);
  return t != nullptr && t->at == stage::handed;
}

void process_tasks::cancel(future_object* f) {
  if (!here()) return;
  const index id = f->task;
  std::uint32_t branch = 0;
  PyObject* item = nullptr;
  bool waits = false;
  {
    const lock l(lock_);
    if (task* t = find(id)) {
      waits = t->at == stage::waiting;
      branch = t->at == stage::handed && t->stoppable ? t->branch : 0;
      if (waits) item = std::exchange(t->item, nullptr);
    }
  }
  const ref drop = ref::steal(item);
  if (branch != 0) {
    port_->recall_branch(branch, true);
    fetch();
    settle_arrived();
  } else if (waits) {
    if (const ref future = take(id)) settle_cancelled(f);
  }
}

void process_tasks::cancel_waiting() {
  if (!here() || !port_) return;
  std::vector<index> all;
  {
    const lock l(lock_);
    for (index id = next_; id < end_id(); ++id) {
      if (at(id).at == stage::waiting) all.push_back(id);
    }
    next_ = end_id();
  }
  for (const index id : all) {
    PyObject* item = nullptr;
    {
      const lock l(lock_);
      if (task* t = find(id)) item = std::exchange(t->item, nullptr);
    }
    const ref drop = ref::steal(item);
    if (const ref future = take(id)) settle_cancelled(reinterpret_cast<future_object*>(future.get()));
  }
}

}  // namespace centimane::python
