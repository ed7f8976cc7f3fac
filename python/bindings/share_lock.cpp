// `SharedLock`: what Lock, RLock, Semaphore and BoundedSemaphore of centimane.multiprocessing are made of. Taking and
// giving back are once-an-item calls, so this is the raw C API; the classes are in multiprocessing/synchronize.py.
#include <string>

#include "centimane/errors.hpp"
#include "run.hpp"
#include "share/semaphore.hpp"
#include "share_wait.hpp"
#include "ticks.hpp"

namespace centimane::python {

struct lock_object {
  PyObject_HEAD;
  std::shared_ptr<share::lock> lock;            ///< of a Lock or an RLock
  std::shared_ptr<share::semaphore> semaphore;  ///< of the others
};

namespace {

PyTypeObject* lock_type = nullptr;  // for the life of the process
PyObject *block_name = nullptr, *timeout_name = nullptr;

enum kind : std::uint8_t { plain = 0, recursive = 1, counting = 2 };

lock_object* as_lock(PyObject* o) noexcept { return reinterpret_cast<lock_object*>(o); }

bool made(lock_object* l) noexcept {
  if (l->lock || l->semaphore) return true;
  PyErr_SetString(PyExc_ValueError, "this lock was not initialised: call its class's __init__");
  return false;
}

template <class Body>
PyObject* guarded(Body body) noexcept {
  try {
    return body();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* take_lock(lock_object* l, std::int64_t until) {
  platform::process_identity dead;
  auto how = share::lock::outcome::taken;
  ref error;
  if (until == 0) {
    share::patience none(0);
    how = l->lock->take(none, dead);
  } else {
    const std::shared_ptr<share::lock> keep = l->lock;
    waiting others(until);
    others.error = &error;
    how = keep->take(others.patience, dead);
  }
  if (waiting::put_back(error)) return nullptr;
  if (how == share::lock::outcome::owner_died) {
    set_owner_died(l->lock->obituary(dead), dead.pid);
    return nullptr;
  }
  return PyBool_FromLong(how == share::lock::outcome::taken ? 1 : 0);
}

PyObject* take_permit(lock_object* l, std::int64_t until) {
  auto how = share::semaphore::outcome::taken;
  ref error;
  if (until == 0) {
    share::patience none(0);
    how = l->semaphore->take(none);
  } else {
    const std::shared_ptr<share::semaphore> keep = l->semaphore;
    waiting others(until);
    others.error = &error;
    how = keep->take(others.patience);
  }
  if (waiting::put_back(error)) return nullptr;
  return PyBool_FromLong(how == share::semaphore::outcome::taken ? 1 : 0);
}

PyObject* take(lock_object* l, std::int64_t until) {
  if (!made(l)) return nullptr;
  if (l->lock ? l->lock->try_take() : l->semaphore->try_take()) Py_RETURN_TRUE;
  return guarded([&] { return l->lock ? take_lock(l, until) : take_permit(l, until); });
}

PyObject* acquire(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  PyObject *block = Py_True, *timeout = Py_None;
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (n > 2) return PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", n), nullptr;
  if (n > 0) block = args[0];
  if (n > 1) timeout = args[1];
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, k);
    const bool is_block = PyUnicode_Compare(name, block_name) == 0;
    if (!is_block && PyUnicode_Compare(name, timeout_name) != 0)
      return PyErr_Format(PyExc_TypeError, "acquire() got an unexpected keyword argument '%U'", name), nullptr;
    if (n > (is_block ? 0 : 1))
      return PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name), nullptr;
    (is_block ? block : timeout) = args[n + k];
  }
  const int wait = PyObject_IsTrue(block);
  std::int64_t until = 0;
  if (wait < 0 || !end_of_wait(timeout, until)) return nullptr;
  return take(as_lock(self), wait != 0 ? until : 0);
}

PyObject* enter(PyObject* self, PyObject*) { return take(as_lock(self), share::patience::for_ever); }

PyObject* release(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  if (l->lock ? l->lock->give_back() : l->semaphore->give_back()) Py_RETURN_NONE;
  if (l->lock && l->lock->recursive())
    PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
  else
    PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
  return nullptr;
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) { return release(self, nullptr); }

PyObject* is_mine(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  return PyBool_FromLong((l->lock ? l->lock->is_mine() : l->semaphore->held_here() > 0) ? 1 : 0);
}

PyObject* count(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  if (l->semaphore) return PyLong_FromLong(l->semaphore->held_here());
  return PyLong_FromUnsignedLong(!l->lock->is_of_this_process() ? 0 : l->lock->depth());
}

PyObject* get_value(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  return PyLong_FromUnsignedLong(l->semaphore ? l->semaphore->value() : l->lock->is_free() ? 1 : 0);
}

PyObject* is_zero(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  return PyBool_FromLong((l->semaphore ? l->semaphore->value() == 0 : !l->lock->is_free()) ? 1 : 0);
}

PyObject* create(PyObject* self, PyObject* args) {
  int what = 0;
  unsigned int value = 1, max = 1;
  if (PyArg_ParseTuple(args, "i|II", &what, &value, &max) == 0) return nullptr;
  lock_object* l = as_lock(self);
  return guarded([&] {
    if (what == counting)
      l->semaphore = share::semaphore::make(value, max);
    else
      l->lock = share::lock::make(what == recursive);
    return Py_NewRef(Py_None);
  });
}

PyObject* open(PyObject* self, PyObject* args) {
  int what = 0;
  PyObject* bytes = nullptr;
  if (PyArg_ParseTuple(args, "iS", &what, &bytes) == 0) return nullptr;
  lock_object* l = as_lock(self);
  return guarded([&] {
    if (what == counting) {
      l->semaphore = share::semaphore::open(handle_in(bytes));
    } else {
      auto lock = share::lock::open(handle_in(bytes));
      if (lock->recursive() != (what == recursive))
        throw payload_error("centimane: the handle of a lock is damaged: it is of another kind", "read_args");
      l->lock = std::move(lock);
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* hand_out(PyObject* self, PyObject*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  return guarded([&] { return bytes_of_handle(l->lock ? l->lock->hand_out() : l->semaphore->hand_out()); });
}

PyObject* max_value(PyObject* self, void*) {
  lock_object* l = as_lock(self);
  if (!made(l)) return nullptr;
  return PyLong_FromUnsignedLong(l->semaphore ? l->semaphore->max() : 1);
}

PyMethodDef methods[] = {
    {"acquire", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(acquire)), METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, block=True, timeout=None)\n--\n\nTakes it; waits up to `timeout` seconds, None: for ever."},
    {"release", release, METH_NOARGS, "release($self, /)\n--\n\nGives it back."},
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(leave)), METH_FASTCALL, nullptr},
    {"_is_mine", is_mine, METH_NOARGS, nullptr},
    {"_count", count, METH_NOARGS, nullptr},
    {"_get_value", get_value, METH_NOARGS, nullptr},
    {"_is_zero", is_zero, METH_NOARGS, nullptr},
    {"_create", create, METH_VARARGS, nullptr},
    {"_open", open, METH_VARARGS, nullptr},
    {"_hand_out", hand_out, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {{"_max_value", max_value, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

/// Whatever a subclass's __init__ takes.
PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  new (&as_lock(object)->lock) std::shared_ptr<share::lock>;
  new (&as_lock(object)->semaphore) std::shared_ptr<share::semaphore>;
  return object;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_lock(self)->lock.~shared_ptr();
  as_lock(self)->semaphore.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, properties},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {0, nullptr}};
PyType_Spec spec = {"centimane._core.SharedLock", sizeof(lock_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                    slots};

}  // namespace

bool end_of_wait(PyObject* timeout, std::int64_t& until) noexcept {
  until = share::patience::for_ever;
  if (timeout == Py_None) return true;
  const double seconds = PyFloat_AsDouble(timeout);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) return false;
  if (seconds <= 0) until = 0;
  if (seconds > 0 && seconds < 9e9) until = monotonic_now() + static_cast<std::int64_t>(seconds * 1e9);
  return true;
}

void set_owner_died(const std::string& message, std::int64_t pid) noexcept {
  const ref errors = ref::steal(PyImport_ImportModule("centimane._errors"));
  const ref type = errors ? ref::steal(PyObject_GetAttrString(errors.get(), "OwnerDied")) : ref();
  const ref error = type ? ref::steal(PyObject_CallFunction(type.get(), "s", message.c_str())) : ref();
  const ref number = error ? ref::steal(PyLong_FromLongLong(pid)) : ref();
  if (number && PyObject_SetAttrString(error.get(), "pid", number.get()) == 0) PyErr_SetObject(type.get(), error.get());
}

std::shared_ptr<share::lock> lock_of(PyObject* object) noexcept {
  return PyObject_TypeCheck(object, lock_type) != 0 ? as_lock(object)->lock : nullptr;
}

bool add_shared_lock(PyObject* module) {
  block_name = PyUnicode_InternFromString("block");
  timeout_name = PyUnicode_InternFromString("timeout");
  lock_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return block_name != nullptr && timeout_name != nullptr && lock_type != nullptr &&
         PyModule_AddObjectRef(module, "SharedLock", reinterpret_cast<PyObject*>(lock_type)) == 0;
}

}  // namespace centimane::python
