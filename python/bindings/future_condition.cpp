// `future._condition`: a recursive lock with wait and notify, as light as the standard library's as_completed() and
// wait() need it, which take those of all their futures. See future.hpp.

#include "future.hpp"
#include "platform/futex.hpp"
#include "ticks.hpp"

namespace centimane::python {

struct condition_object {
  PyObject_HEAD;
  future_object* of;  ///< null: the future is gone
  unsigned long owner;
  std::uint32_t depth, contenders;
  sleepers outside;  ///< who wants the lock
  sleepers inside;   ///< who waits to be notified
};

namespace {

PyTypeObject* condition_type = nullptr;

condition_object* as_condition(PyObject* o) noexcept { return reinterpret_cast<condition_object*>(o); }

/// False: not in time (no error), or the error indicator is set.
bool acquire(condition_object* c, nanos until) {
  const unsigned long me = PyThread_get_thread_ident();
  if (c->depth > 0 && c->owner != me) {
    const ref keep = ref::borrow(reinterpret_cast<PyObject*>(c));
    sleeper s;
    c->outside.join(s);
    bool ok = true;
    while (ok && c->depth > 0 && (until == policy::never || monotonic_now() < until)) {
      s.rung.store(0);
      ok = s.sleep(until);
    }
    c->outside.leave(s);
    if (!ok || c->depth > 0) return false;
  }
  c->owner = me;
  ++c->depth;
  return true;
}

bool owned(const condition_object* c) {
  if (c->depth > 0 && c->owner == PyThread_get_thread_ident()) return true;
  PyErr_SetString(PyExc_RuntimeError, "cannot use an un-acquired condition");
  return false;
}

void let_go(condition_object* c) {
  if (--c->depth > 0) return;
  c->outside.ring_one();
  future_object* f = c->of;
  if (f != nullptr && f->late) settle_late(f);
}

PyObject* enter(PyObject* self, PyObject*) {
  if (!acquire(as_condition(self), policy::never)) return nullptr;
  Py_RETURN_TRUE;
}

PyObject* take(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"blocking", "timeout", nullptr};
  int blocking = 1;
  double timeout = -1;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|pd", const_cast<char**>(names), &blocking, &timeout) == 0)
    return nullptr;
  const nanos until = blocking == 0 ? 0
                      : timeout < 0 ? policy::never
                                    : monotonic_now() + static_cast<nanos>(timeout * 1e9);
  const bool got = acquire(as_condition(self), until);
  if (PyErr_Occurred() != nullptr) return nullptr;
  return PyBool_FromLong(got ? 1 : 0);
}

PyObject* release(PyObject* self, PyObject*) {
  if (!owned(as_condition(self))) return nullptr;
  let_go(as_condition(self));
  Py_RETURN_NONE;
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) { return release(self, nullptr); }

PyObject* wait(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"timeout", nullptr};
  PyObject* timeout = Py_None;
  nanos until = policy::never;
  condition_object* c = as_condition(self);
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(names), &timeout) == 0 ||
      !moment_of(timeout, until) || !owned(c))
    return nullptr;
  sleeper me;
  c->inside.join(me);
  const std::uint32_t depth = c->depth;
  c->depth = 1;
  const ref keep = ref::borrow(self), future = ref::borrow(reinterpret_cast<PyObject*>(c->of));
  let_go(c);
  bool ok = true;
  while (ok && me.rung.load() == 0 && (until == policy::never || monotonic_now() < until)) {
    future_object* f = c->of;
    if (f != nullptr && is_done(f)) break;
    ok = f != nullptr ? wait_for(f, me, until) : me.sleep(until);
  }
  c->inside.leave(me);
  const bool told = me.rung.load() != 0 || (c->of != nullptr && is_done(c->of));
  ref error = ok ? ref() : take_error();
  if (!acquire(c, policy::never)) return nullptr;
  c->depth = depth;
  if (error) return put_error_back(std::move(error)), nullptr;
  return PyBool_FromLong(told ? 1 : 0);
}

PyObject* wait_until_true(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"predicate", "timeout", nullptr};
  PyObject *predicate = nullptr, *timeout = Py_None;
  nanos until = policy::never;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(names), &predicate, &timeout) == 0 ||
      !moment_of(timeout, until))
    return nullptr;
  for (;;) {
    ref answer = ref::steal(PyObject_CallNoArgs(predicate));
    const int yes = answer ? PyObject_IsTrue(answer.get()) : -1;
    if (yes < 0) return nullptr;
    const nanos now = monotonic_now();
    if (yes > 0 || (until != policy::never && now >= until)) return answer.release();
    const ref left = until == policy::never ? ref::borrow(Py_None)
                                            : ref::steal(PyFloat_FromDouble(static_cast<double>(until - now) / 1e9));
    const ref arguments = ref::steal(PyTuple_Pack(1, left.get()));
    if (!arguments || !ref::steal(wait(self, arguments.get(), nullptr))) return nullptr;
  }
}

PyObject* notify_all(PyObject* self, PyObject*) {
  condition_object* c = as_condition(self);
  if (!owned(c)) return nullptr;
  c->inside.ring_all();
  if (c->of != nullptr) c->of->here.ring_all();
  Py_RETURN_NONE;
}

PyObject* notify(PyObject* self, PyObject*) { return notify_all(self, nullptr); }

PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(leave)), METH_FASTCALL, nullptr},
    {"acquire", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(take)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {"release", release, METH_NOARGS, nullptr},
    {"wait", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(wait)), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"wait_for", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(wait_until_true)),
     METH_VARARGS | METH_KEYWORDS, nullptr},
    {"notify", notify, METH_VARARGS, nullptr},
    {"notify_all", notify_all, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot slots[] = {{Py_tp_methods, methods}, {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)}, {0, nullptr}};
PyType_Spec spec = {"centimane._core.FutureCondition", sizeof(condition_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

PyObject* condition_of(future_object* f) {
  if (f->condition == nullptr) {
    PyObject* made = condition_type->tp_alloc(condition_type, 0);  // zeroed
    if (made == nullptr) return nullptr;
    f->condition = as_condition(made);
    f->condition->of = f;
  }
  return ref::borrow(reinterpret_cast<PyObject*>(f->condition)).release();
}

bool is_held(const future_object* f) noexcept { return f->condition != nullptr && f->condition->depth > 0; }

void part_from_condition(future_object* f) noexcept {
  if (f->condition == nullptr) return;
  f->condition->of = nullptr;
  Py_DECREF(reinterpret_cast<PyObject*>(std::exchange(f->condition, nullptr)));
}

bool add_condition_type(PyObject* module) {
  condition_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return condition_type != nullptr &&
         PyModule_AddObjectRef(module, "FutureCondition", reinterpret_cast<PyObject*>(condition_type)) == 0;
}

}  // namespace centimane::python
