// See worker_side.hpp.
#include "worker_side.hpp"

#include <unistd.h>

#include <stdexcept>

#include "children.hpp"
#include "process/worker.hpp"
#include "run.hpp"
#include "ticks.hpp"

namespace centimane::python {
namespace {

/// Tasks in a row after which the user's other threads get the GIL even if no Python code asks for it.
constexpr std::uint32_t tasks_a_turn = 256;

bool text_is_waiting = false;

std::string text_of(PyObject* object) {
  ref text = ref::steal(PyObject_Str(object));
  Py_ssize_t n = 0;
  const char* at = text ? PyUnicode_AsUTF8AndSize(text.get(), &n) : nullptr;
  if (at == nullptr) return PyErr_Clear(), std::string("(no text)");
  return {at, static_cast<std::size_t>(n)};
}

ref attribute(PyObject* of, const char* name) {
  ref found = ref::steal(PyObject_GetAttrString(of, name));
  if (!found) throw raised{};
  return found;
}

ref bytes_from(std::span<const std::byte> from) {
  return ref::steal(
      PyBytes_FromStringAndSize(reinterpret_cast<const char*>(from.data()), static_cast<Py_ssize_t>(from.size())));
}

/// The process's state right after a fork, in the child: hooks as os.fork has them.
pid_t fork_python() {
  PyOS_BeforeFork();
  pid_t pid = ::fork();
  if (pid == 0) {
    PyOS_AfterFork_Child();
  } else {
    int error = errno;
    PyOS_AfterFork_Parent();
    errno = error;
  }
  return pid;
}

void live_as_worker(engine::worker_files files) {
  ref module = ref::steal(PyImport_ImportModule("centimane._worker"));
  if (!module) {
    PyErr_Print();
    ::_exit(1);
  }
  try {
    python_servant servant(std::move(module));
    engine::serve_worker(std::move(files), servant);
  } catch (const raised&) {
    PyErr_Print();
    ::_exit(1);
  }
}

}  // namespace

python_servant::python_servant(ref worker) : worker_(std::move(worker)) {
  run_chunk_ = attribute(worker_.get(), "run_chunk");
  describe_ = attribute(worker_.get(), "describe");
  unreadable_ = attribute(worker_.get(), "unreadable");
  unwritable_ = attribute(worker_.get(), "unwritable");
  salvage_ = attribute(worker_.get(), "salvage_chunk");
  rescue_ = attribute(worker_.get(), "rescue");
}

python_servant::~python_servant() { enter(); }

void python_servant::enter() {
  if (state_ != nullptr) PyEval_RestoreThread(std::exchange(state_, nullptr));
}

void python_servant::leave() {
  if (state_ == nullptr) state_ = PyEval_SaveThread();
  since_leave_ = 0;
}

void python_servant::set_up(reader how) {
  enter();
  const std::string trouble = try_set_up(how);
  leave();
  if (!trouble.empty()) throw std::runtime_error(trouble);
}

/// Answers the traceback of what went wrong, if anything.
std::string python_servant::try_set_up(reader how) {
  ref blob = bytes_from(how.rest());
  ref done = ref::steal(PyObject_CallMethod(worker_.get(), "set_up", "O", blob.get()));
  if (done) return {};
  ref error = take_error();
  ref text = ref::steal(PyObject_CallMethod(worker_.get(), "traceback_of", "O", error.get()));
  std::string what = text ? text_of(text.get()) : text_of(error.get());
  PyErr_Clear();
  return what.empty() ? "it raised" : what;
}

void python_servant::tell(const char* method) {
  ref done = ref::steal(PyObject_CallMethod(worker_.get(), method, nullptr));
  if (!done) PyErr_WriteUnraisable(worker_.get());
}

/// ok: no error is set.
void python_servant::end_lines(bool ok) {
  text_is_waiting = false;
  ref error = ok ? ref() : take_error();
  tell("end_lines");
  if (error) put_error_back(std::move(error));
}

void python_servant::define(std::uint64_t id, reader blob) {
  enter();
  definition_entry made;
  try {
    made.kind = static_cast<blob_kind>(blob.raw<char>());
    ref bytes = bytes_from(blob.rest());
    const char* loader = made.kind == blob_kind::names     ? "bind_names"
                         : made.kind == blob_kind::state   ? "take_state"
                         : made.kind == blob_kind::carrier ? "load_carrier"
                                                           : "load_function";
    made.function = ref::steal(PyObject_CallMethod(worker_.get(), loader, "O", bytes.get()));
    if (!made.function) made.error = take_error();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
    made.error = take_error();
  }
  last_ = nullptr;
  known_[id] = std::move(made);
}

void python_servant::forget(std::uint64_t id) {
  enter();
  last_ = nullptr;
  known_.erase(id);
}

/// Null: it is not known here.
const python_servant::definition_entry* python_servant::find(std::uint64_t id) {
  if (last_ == nullptr || last_->first != id) {
    const auto found = known_.find(id);
    last_ = found == known_.end() ? nullptr : &*found;
  }
  return last_ == nullptr ? nullptr : &last_->second;
}

ref python_servant::call(blob_kind kind, PyObject* function, PyObject* argument) const {
  switch (kind) {
    case blob_kind::keywords:
      return ref::steal(PyObject_Call(function, PyTuple_GET_ITEM(argument, 0), PyTuple_GET_ITEM(argument, 1)));
    case blob_kind::carrier:
    case blob_kind::star: {
      if (PyTuple_CheckExact(argument)) return ref::steal(PyObject_Call(function, argument, nullptr));
      ref arguments = ref::steal(PySequence_Tuple(argument));
      return arguments ? ref::steal(PyObject_Call(function, arguments.get(), nullptr)) : ref();
    }
    case blob_kind::list:
    case blob_kind::list_star: {
      const ref items = ref::steal(PySequence_Fast(argument, "a chunk is a sequence"));
      if (!items) return {};
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.get());
      ref values = ref::steal(PyList_New(n));
      for (Py_ssize_t i = 0; values && i < n; ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
        ref value = call(kind == blob_kind::list ? blob_kind::call : blob_kind::star, function, item);
        if (!value) return {};
        PyList_SET_ITEM(values.get(), i, value.release());
      }
      return values;
    }
    case blob_kind::chunk:
    case blob_kind::chunk_star: {
      PyObject* arguments[] = {function, argument, kind == blob_kind::chunk_star ? Py_True : Py_False};
      return ref::steal(PyObject_Vectorcall(run_chunk_.get(), arguments, 3, nullptr));
    }
    default:
      return ref::steal(PyObject_CallOneArg(function, argument));
  }
}

/// The outcome is an error: its description goes out in place of whatever was begun.
engine::verdict python_servant::failed(writer& out, std::size_t begin, float seconds, ref error) {
  if (!error) error = take_error();  // what should have explained it has itself failed: then that is what is told
  out.rewrite(begin);
  out.raw(seconds);
  ref record = error ? ref::steal(PyObject_CallOneArg(describe_.get(), error.get())) : ref();
  if (!record || !encode_value(record.get(), out, {})) {
    PyErr_Clear();
    out.rewrite(begin);
    out.raw(seconds);
    *out.extend(1) = static_cast<std::byte>('N');
  }
  return {.ok = false};
}

engine::verdict python_servant::run(std::uint64_t definition, std::uint32_t, reader item, writer& out,
                                    engine::phase_marker& mark) {
  if (++since_leave_ >= tasks_a_turn) leave();
  enter();
  const std::size_t begin = out.size();
  const definition_entry* what = find(definition);
  if (what == nullptr || what->error) {
    ref cause = what == nullptr ? ref::borrow(Py_None) : what->error;
    return failed(out, begin, -1, ref::steal(PyObject_CallFunction(unreadable_.get(), "OO", cause.get(), Py_True)));
  }
  // User code may reach back into the table (a nested definition is none, but a signal handler may run anything).
  const blob_kind kind = what->kind;
  const ref function = what->function;
  ref argument = ref::steal(decode_value(item));
  if (!argument) {
    ref cause = take_error();
    return failed(out, begin, -1, ref::steal(PyObject_CallFunction(unreadable_.get(), "OO", cause.get(), Py_False)));
  }
  mark.running();
  const std::uint64_t from = ticks();
  ref value = call(kind, function.get(), argument.get());
  argument = ref();  // its end is user code too
  const std::uint64_t to = ticks();
  mark.writing();
  if (text_is_waiting) end_lines(static_cast<bool>(value));
  const float seconds = seconds_between(from, to);
  if (!value) return failed(out, begin, seconds, take_error());
  out.raw(seconds);
  if (encode_value(value.get(), out, {.rescue = rescue_.get()})) return {};
  ref cause = take_error();
  if (kind == blob_kind::chunk || kind == blob_kind::chunk_star) {
    // One value is to blame, not all.
    ref salvaged = ref::steal(PyObject_CallOneArg(salvage_.get(), value.get()));
    out.rewrite(begin);
    out.raw(seconds);
    if (salvaged && encode_value(salvaged.get(), out, {.rescue = rescue_.get()})) return {};
    PyErr_Clear();
  }
  return failed(out, begin, seconds,
                ref::steal(PyObject_CallFunctionObjArgs(unwritable_.get(), value.get(), cause.get(), nullptr)));
}

engine::verdict python_servant::not_sent(std::exception_ptr why, writer& out) {
  enter();
  try {
    std::rethrow_exception(std::move(why));
  } catch (...) {
    translate_exception();
  }
  return failed(out, out.size(), 0, take_error());
}

void python_servant::idle() {
  enter();
  tell("idle");
  leave();
}

void python_servant::tear_down() {
  enter();
  tell("tear_down");
  last_ = nullptr;
  known_.clear();
  leave();
}

void text_waits() noexcept { text_is_waiting = true; }

engine::zygote_hooks python_hooks() { return {fork_python, live_as_worker}; }

void serve_zygote_here(int socket, long driver_pid, PyObject* warm_up) {
  engine::zygote_hooks hooks = python_hooks();
  hooks.in_child = live_as_child;
  hooks.warm_up = [warm_up] {
    const ref done = ref::steal(PyObject_CallNoArgs(warm_up));
    if (!done) PyErr_Clear();  // a worker that misses something loads it, and says what is wrong
  };
  engine::serve_zygote(platform::fd(socket), static_cast<pid_t>(driver_pid), hooks);
}

}  // namespace centimane::python
