// See future.hpp.
#include "future.hpp"

#include <algorithm>
#include <cstddef>

#include "platform/fork_generation.hpp"
#include "platform/futex.hpp"
#include "ticks.hpp"

namespace centimane::python {
namespace {

PyObject* future_class = nullptr;  // for the life of the process, as all that follow
PyObject *cancelled_error = nullptr, *invalid_state = nullptr, *callback_failed = nullptr, *unexpected_state = nullptr;
PyObject* state_names[5];
constexpr const char* texts[] = {"PENDING", "RUNNING", "CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"};
PyObject *add_result_name = nullptr, *add_exception_name = nullptr, *add_cancelled_name = nullptr;
PyObject* timeout_name = nullptr;

/// A main thread never sleeps longer without looking for signals: one may have come just before it slept.
constexpr nanos longest_sleep = 100'000'000;

future_object* as_future(PyObject* o) noexcept { return reinterpret_cast<future_object*>(o); }
PyObject* as_object(future_object* f) noexcept { return reinterpret_cast<PyObject*>(f); }

/// What has come back is looked at first, so that what is said is true now.
future_state state_now(future_object* f) {
  if (f->state != future_state::pending || !f->home) return f->state;
  const std::shared_ptr<future_home> home = f->home;
  home->look();
  if (f->state != future_state::pending) return f->state;
  return home->is_running(f->task) ? future_state::running : future_state::pending;
}

void leave_home(future_object* f) {
  const std::shared_ptr<future_home> home = std::move(f->home);
  f->home = nullptr;
  if (f->watched && home) home->unwatch();
  f->watched = false;
}

void watch(future_object* f) {
  if (f->watched || is_done(f) || f->late || !f->home) return;
  f->watched = true;
  f->home->watch();
}

void call_back(future_object* f, PyObject* callback) {
  if (ref::steal(user_call([&] { return PyObject_CallOneArg(callback, as_object(f)); }))) return;
  const ref error = take_error();
  if (!ref::steal(PyObject_CallFunctionObjArgs(callback_failed, as_object(f), error.get(), nullptr)))
    PyErr_WriteUnraisable(callback);
}

void invoke_callbacks(future_object* f) {
  const ref all = ref::steal(f->callbacks);  // once: the list and what is in it go
  f->callbacks = nullptr;
  if (!all) return;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all.get()); ++i) {
    const ref one = ref::borrow(PyList_GET_ITEM(all.get(), i));
    call_back(f, one.get());
  }
}

void tell_waiters(future_object* f) {
  if (f->waiters == nullptr) return;
  PyObject* name = f->state != future_state::finished ? add_cancelled_name
                   : f->exception != nullptr          ? add_exception_name
                                                      : add_result_name;
  const ref all = ref::borrow(f->waiters);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all.get()); ++i) {
    const ref one = ref::borrow(PyList_GET_ITEM(all.get(), i));
    if (!ref::steal(user_call([&] { return PyObject_CallMethodOneArg(one.get(), name, as_object(f)); })))
      PyErr_WriteUnraisable(one.get());
  }
}

/// Its result or exception is in place.
void become(future_object* f, future_state s) {
  if (is_held(f)) {  // somebody reads it in one piece with others: he is done first
    f->late = true;
    f->becomes = s;
    return;
  }
  f->late = false;
  f->state = s;
  f->here.ring_all();
  leave_home(f);
  if (f->waiters != nullptr) tell_waiters(f);
  if (f->callbacks != nullptr) invoke_callbacks(f);
}

// ---- waiting

/// Until it is done. False: the error indicator is set.
bool wait_until_done(future_object* f, PyObject* timeout) {
  if (is_done(f)) return true;
  if (f->home && !f->late) {
    const std::shared_ptr<future_home> home = f->home;
    home->look();
    if (is_done(f)) return true;
  }
  nanos until = policy::never;
  if (!moment_of(timeout, until)) return false;
  sleeper me;
  bool ok = true;
  while (ok && !is_done(f) && (until == policy::never || monotonic_now() < until)) {
    me.rung.store(0);
    ok = wait_for(f, me, until);
  }
  if (!ok) return false;
  if (is_done(f)) return true;
  PyErr_SetNone(PyExc_TimeoutError);
  return false;
}

/// The one argument that result() and exception() have.
bool timeout_argument(const char* of, PyObject* const* args, Py_ssize_t n, PyObject* names, PyObject*& timeout) {
  timeout = Py_None;
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (n + named > 1) return PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (timeout)", of), false;
  if (named == 1 && PyUnicode_Compare(PyTuple_GET_ITEM(names, 0), timeout_name) != 0)
    return PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", of,
                        PyTuple_GET_ITEM(names, 0)),
           false;
  if (n + named == 1) timeout = args[0];
  return true;
}

PyObject* result(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  future_object* f = as_future(self);
  PyObject* timeout = nullptr;
  if (!timeout_argument("result", args, n, names, timeout) || !wait_until_done(f, timeout)) return nullptr;
  if (f->state != future_state::finished) return PyErr_SetNone(cancelled_error), nullptr;
  if (f->exception != nullptr) return put_error_back(ref::borrow(f->exception)), nullptr;
  return ref::borrow(f->result != nullptr ? f->result : Py_None).release();
}

PyObject* exception(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  future_object* f = as_future(self);
  PyObject* timeout = nullptr;
  if (!timeout_argument("exception", args, n, names, timeout) || !wait_until_done(f, timeout)) return nullptr;
  if (f->state != future_state::finished) return PyErr_SetNone(cancelled_error), nullptr;
  return ref::borrow(f->exception != nullptr ? f->exception : Py_None).release();
}

PyObject* done(PyObject* self, PyObject*) {
  return PyBool_FromLong(state_now(as_future(self)) >= future_state::cancelled ? 1 : 0);
}
PyObject* running(PyObject* self, PyObject*) {
  return PyBool_FromLong(state_now(as_future(self)) == future_state::running ? 1 : 0);
}
PyObject* cancelled(PyObject* self, PyObject*) {
  const future_state s = state_now(as_future(self));
  return PyBool_FromLong(s == future_state::cancelled || s == future_state::cancelled_and_notified ? 1 : 0);
}

PyObject* cancel(PyObject* self, PyObject*) {
  future_object* f = as_future(self);
  const ref keep = ref::borrow(self);
  if (f->late) Py_RETURN_FALSE;
  if (!is_done(f) && f->home) {
    const std::shared_ptr<future_home> home = f->home;
    home->cancel(f);
    if (PyErr_Occurred() != nullptr) return nullptr;
  } else if (f->state == future_state::pending) {
    f->state = future_state::cancelled;
    f->here.ring_all();
    invoke_callbacks(f);
  }
  return PyBool_FromLong(f->state == future_state::cancelled || f->state == future_state::cancelled_and_notified ? 1
                                                                                                                 : 0);
}

PyObject* add_done_callback(PyObject* self, PyObject* callback) {
  future_object* f = as_future(self);
  if (is_done(f)) {
    call_back(f, callback);
    Py_RETURN_NONE;
  }
  if (f->callbacks == nullptr) f->callbacks = PyList_New(0);
  if (f->callbacks == nullptr || PyList_Append(f->callbacks, callback) != 0) return nullptr;
  watch(f);
  Py_RETURN_NONE;
}

// ---- for executors and tests

bool not_settled(future_object* f) {
  if (!is_done(f) && !f->late) return true;
  PyErr_Format(invalid_state, "%s: %R", texts[static_cast<int>(f->state)], as_object(f));
  return false;
}

PyObject* set_result(PyObject* self, PyObject* value) {
  if (!not_settled(as_future(self))) return nullptr;
  settle_with_result(as_future(self), ref::borrow(value));
  Py_RETURN_NONE;
}

PyObject* set_exception(PyObject* self, PyObject* error) {
  if (!not_settled(as_future(self))) return nullptr;
  if (error == Py_None) return set_result(self, error);
  settle_with_exception(as_future(self), ref::borrow(error));
  Py_RETURN_NONE;
}

PyObject* set_running_or_notify_cancel(PyObject* self, PyObject*) {
  future_object* f = as_future(self);
  if (f->state == future_state::cancelled) {
    f->state = future_state::cancelled_and_notified;
    tell_waiters(f);
    Py_RETURN_FALSE;
  }
  if (f->state == future_state::pending) {
    f->state = future_state::running;
    Py_RETURN_TRUE;
  }
  if (!ref::steal(PyObject_CallOneArg(unexpected_state, self))) return nullptr;
  PyErr_SetString(PyExc_RuntimeError, "Future in unexpected state");
  return nullptr;
}

PyObject* invoke_callbacks_method(PyObject* self, PyObject*) {
  invoke_callbacks(as_future(self));
  Py_RETURN_NONE;
}

/// (done, cancelled, result, exception), as asyncio of 3.14 asks for it.
PyObject* get_snapshot(PyObject* self, PyObject*) {
  future_object* f = as_future(self);
  const future_state s = state_now(f);
  const bool off = s == future_state::cancelled || s == future_state::cancelled_and_notified;
  PyObject* value = s == future_state::finished && f->result != nullptr ? f->result : Py_None;
  PyObject* error = s == future_state::finished && f->exception != nullptr ? f->exception : Py_None;
  return PyTuple_Pack(4, is_done(f) ? Py_True : Py_False, off ? Py_True : Py_False, value, error);
}

PyMethodDef methods[] = {{"result", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(result)),
                          METH_FASTCALL | METH_KEYWORDS, nullptr},
                         {"exception", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(exception)),
                          METH_FASTCALL | METH_KEYWORDS, nullptr},
                         {"done", done, METH_NOARGS, nullptr},
                         {"running", running, METH_NOARGS, nullptr},
                         {"cancelled", cancelled, METH_NOARGS, nullptr},
                         {"cancel", cancel, METH_NOARGS, nullptr},
                         {"add_done_callback", add_done_callback, METH_O, nullptr},
                         {"set_result", set_result, METH_O, nullptr},
                         {"set_exception", set_exception, METH_O, nullptr},
                         {"set_running_or_notify_cancel", set_running_or_notify_cancel, METH_NOARGS, nullptr},
                         {"_invoke_callbacks", invoke_callbacks_method, METH_NOARGS, nullptr},
                         {"_get_snapshot", get_snapshot, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

// ---- the attributes of the standard library's future

PyObject* get_state(PyObject* self, void*) {
  return ref::borrow(state_names[static_cast<int>(state_now(as_future(self)))]).release();
}
int set_state(PyObject* self, PyObject* to, void*) {
  for (int i = 0; to != nullptr && i < 5; ++i) {
    const int same = PyObject_RichCompareBool(to, state_names[i], Py_EQ);
    if (same < 0) return -1;
    if (same > 0) return as_future(self)->state = static_cast<future_state>(i), 0;
  }
  PyErr_SetString(PyExc_ValueError, "a future has no such state");
  return -1;
}
template <PyObject* future_object::*Field>
PyObject* get_value(PyObject* self, void*) {
  static_cast<void>(state_now(as_future(self)));
  PyObject* at = as_future(self)->*Field;
  return ref::borrow(at != nullptr ? at : Py_None).release();
}
template <PyObject* future_object::*Field>
int set_value(PyObject* self, PyObject* to, void*) {
  const ref old =
      ref::steal(std::exchange(as_future(self)->*Field, to == Py_None ? nullptr : ref::borrow(to).release()));
  return 0;
}
template <PyObject* future_object::*Field>
PyObject* get_list(PyObject* self, void*) {
  future_object* f = as_future(self);
  if (f->*Field == nullptr) f->*Field = PyList_New(0);
  if (f->*Field == nullptr) return nullptr;
  watch(f);  // whoever reads it is about to add to it
  return ref::borrow(f->*Field).release();
}
template <PyObject* future_object::*Field>
int set_list(PyObject* self, PyObject* to, void*) {
  if (to == nullptr || !PyList_Check(to)) return PyErr_SetString(PyExc_TypeError, "a list is needed"), -1;
  const ref old = ref::steal(std::exchange(as_future(self)->*Field, ref::borrow(to).release()));
  watch(as_future(self));
  return 0;
}
PyObject* get_condition(PyObject* self, void*) {
  future_object* f = as_future(self);
  if (!is_done(f) && f->home) {
    const std::shared_ptr<future_home> home = f->home;
    home->look();
  }
  return condition_of(f);
}

PyGetSetDef attributes[] = {
    {"_state", get_state, set_state, nullptr, nullptr},
    {"_result", get_value<&future_object::result>, set_value<&future_object::result>, nullptr, nullptr},
    {"_exception", get_value<&future_object::exception>, set_value<&future_object::exception>, nullptr, nullptr},
    {"_waiters", get_list<&future_object::waiters>, set_list<&future_object::waiters>, nullptr, nullptr},
    {"_done_callbacks", get_list<&future_object::callbacks>, set_list<&future_object::callbacks>, nullptr, nullptr},
    {"_condition", get_condition, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// ---- the type

PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);  // zeroed
  if (self != nullptr) new (&as_future(self)->home) std::shared_ptr<future_home>();
  return self;
}
int init(PyObject*, PyObject*, PyObject*) { return 0; }

int traverse(PyObject* self, visitproc visit, void* arg) {
  future_object* f = as_future(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(f->result);
  Py_VISIT(f->exception);
  Py_VISIT(f->waiters);
  Py_VISIT(f->callbacks);
  return 0;
}
int clear(PyObject* self) {
  future_object* f = as_future(self);
  Py_CLEAR(f->result);
  Py_CLEAR(f->exception);
  Py_CLEAR(f->waiters);
  Py_CLEAR(f->callbacks);
  return 0;
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  future_object* f = as_future(self);
  leave_home(f);
  f->home.~shared_ptr();
  part_from_condition(f);
  static_cast<void>(clear(self));
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_init, reinterpret_cast<void*>(init)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, attributes},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {0, nullptr}};
PyType_Spec spec = {"centimane._core.FutureCore", sizeof(future_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

// ---- sleepers

void sleeper::ring() noexcept {
  if (rung.exchange(1) == 0) platform::private_futex_wake(&rung);
}

void sleeper::ring_turn() noexcept {
  std::uint32_t none = 0;
  if (rung.compare_exchange_strong(none, 2)) platform::private_futex_wake(&rung);
}

bool sleeper::sleep(nanos until) {
  if (user_call(PyErr_CheckSignals) != 0) return false;
  const nanos latest = std::min(until, monotonic_now() + longest_sleep);
  {
    const without_gil others;
    if (rung.load() == 0) static_cast<void>(platform::private_futex_wait_until(rung, 0, latest));
  }
  return user_call(PyErr_CheckSignals) == 0;
}

void sleeper::wait_without_gil() noexcept {
  if (rung.load() == 0) static_cast<void>(platform::private_futex_wait_until(rung, 0, INT64_MAX));
}

void sleepers::join(sleeper& s) noexcept {
  s.before = nullptr;
  s.next = first_;
  if (first_ != nullptr) first_->before = &s;
  first_ = &s;
}
void sleepers::leave(sleeper& s) noexcept {
  if (s.next != nullptr) s.next->before = s.before;
  (s.before != nullptr ? s.before->next : first_) = s.next;
}
void sleepers::ring_all() noexcept {
  for (sleeper* s = first_; s != nullptr; s = s->next) s->ring();
}
void sleepers::ring_one() noexcept {
  if (first_ != nullptr) first_->ring();
}

void sleepers::ring_unrung() noexcept {
  for (sleeper* s = first_; s != nullptr; s = s->next) {
    if (s->rung.load() == 0) return s->ring();
  }
}

bool moment_of(PyObject* timeout, nanos& until) {
  until = policy::never;
  if (timeout == Py_None) return true;
  const double seconds = PyFloat_AsDouble(timeout);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) return false;
  if (seconds < 9e9) until = monotonic_now() + (seconds > 0 ? static_cast<nanos>(seconds * 1e9) : 0);
  return true;
}

bool wait_for(future_object* f, sleeper& me, nanos until) {
  const ref keep = ref::borrow(as_object(f));
  if (f->home && !f->late) {
    const std::shared_ptr<future_home> home = f->home;
    return home->attend(f, me, until);
  }
  f->here.join(me);
  const bool ok = me.sleep(until);
  f->here.leave(me);
  return ok;
}

// ---- for executors

future_object* new_future() {
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(future_class);
  return as_future(make(type, nullptr, nullptr));
}

void settle_with_result(future_object* f, ref value) {
  if (is_done(f) || f->late) return;
  const ref keep = ref::borrow(as_object(f)), old = ref::steal(std::exchange(f->result, value.release()));
  become(f, future_state::finished);
}
void settle_with_exception(future_object* f, ref error) {
  if (is_done(f) || f->late) return;
  const ref keep = ref::borrow(as_object(f)), old = ref::steal(std::exchange(f->exception, error.release()));
  become(f, future_state::finished);
}
void settle_cancelled(future_object* f) {
  if (is_done(f) || f->late) return;
  const ref keep = ref::borrow(as_object(f));
  become(f, future_state::cancelled_and_notified);
}
void settle_late(future_object* f) {
  const ref keep = ref::borrow(as_object(f));
  become(f, f->becomes);
}

bool add_future_types(PyObject* module) {
  for (int i = 0; i < 5; ++i) state_names[i] = PyUnicode_InternFromString(texts[i]);
  add_result_name = PyUnicode_InternFromString("add_result");
  add_exception_name = PyUnicode_InternFromString("add_exception");
  add_cancelled_name = PyUnicode_InternFromString("add_cancelled");
  timeout_name = PyUnicode_InternFromString("timeout");
  const ref type = ref::steal(PyType_FromSpec(&spec));
  return type && PyModule_AddObjectRef(module, "FutureCore", type.get()) == 0 && add_condition_type(module);
}

void set_future_hooks(PyObject* kind, PyObject* cancelled, PyObject* invalid, PyObject* failed, PyObject* unexpected) {
  future_class = ref::borrow(kind).release();
  cancelled_error = ref::borrow(cancelled).release();
  invalid_state = ref::borrow(invalid).release();
  callback_failed = ref::borrow(failed).release();
  unexpected_state = ref::borrow(unexpected).release();
}

}  // namespace centimane::python
