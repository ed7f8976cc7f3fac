// See executor_types.hpp.
#include "executor_types.hpp"

namespace centimane::python {
namespace {

constexpr char gone_text[] = "cannot schedule new futures: the executor is gone";

template <class Tasks>
struct executor_object {
  PyObject_HEAD;
  std::shared_ptr<Tasks> tasks;  ///< null: nothing was submitted yet
};

template <class Tasks>
executor_object<Tasks>* as_executor(PyObject* o) noexcept {
  return reinterpret_cast<executor_object<Tasks>*>(o);
}

PyTypeObject *process_type = nullptr, *thread_type = nullptr;

/// What carries the tasks, made at the first. Null with the error indicator set.
template <class Tasks>
std::shared_ptr<Tasks> begun(PyObject* self) {
  if (!as_executor<Tasks>(self)->tasks) {
    if (!ref::steal(user_call([&] { return PyObject_CallMethod(self, "_begin", nullptr); }))) return nullptr;
    if (!as_executor<Tasks>(self)->tasks) PyErr_SetString(PyExc_RuntimeError, "the executor was not begun");
  }
  return as_executor<Tasks>(self)->tasks;
}

bool has_function(Py_ssize_t n, Py_ssize_t before) {
  if (n > before) return true;
  PyErr_SetString(PyExc_TypeError, "submit() needs the function as its first positional argument");
  return false;
}

PyObject* submit_to_processes(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  if (!has_function(n, 0)) return nullptr;
  const std::shared_ptr<process_tasks> tasks = begun<process_tasks>(self);
  if (!tasks) return nullptr;
  PyObject* made = nullptr;
  translate([&] { made = tasks->submit(args[0], args + 1, n - 1, names, policy::never, false); });
  return made;
}

/// (seconds or None, stoppable, function, …)
PyObject* submit_with(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  if (!has_function(n, 2)) return nullptr;
  nanos limit = policy::never;
  if (args[0] != Py_None) {
    const double seconds = PyFloat_AsDouble(args[0]);
    if (seconds == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
    if (seconds < 9e9) limit = static_cast<nanos>(seconds * 1e9);
  }
  const int stoppable = PyObject_IsTrue(args[1]);
  const std::shared_ptr<process_tasks> tasks = stoppable < 0 ? nullptr : begun<process_tasks>(self);
  if (!tasks) return nullptr;
  PyObject* made = nullptr;
  translate([&] { made = tasks->submit(args[2], args + 3, n - 3, names, limit, stoppable > 0); });
  return made;
}

/// (function, items, star)
PyObject* submit_chunk(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  if (n != 3) return PyErr_SetString(PyExc_TypeError, "a function, its items, and how it takes them"), nullptr;
  const int star = PyObject_IsTrue(args[2]);
  const std::shared_ptr<process_tasks> tasks = star < 0 ? nullptr : begun<process_tasks>(self);
  if (!tasks) return nullptr;
  PyObject* made = nullptr;
  translate([&] { made = tasks->submit_chunk(args[0], args[1], star > 0); });
  return made;
}

PyObject* submit_to_threads(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  if (!has_function(n, 0)) return nullptr;
  const std::shared_ptr<thread_tasks> tasks = begun<thread_tasks>(self);
  if (!tasks) return nullptr;
  PyObject* made = nullptr;
  translate([&] { made = tasks->submit(args[0], args + 1, n - 1, names); });
  return made;
}

template <class Tasks>
PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) new (&as_executor<Tasks>(self)->tasks) std::shared_ptr<Tasks>();
  return self;
}
int init(PyObject*, PyObject*, PyObject*) { return 0; }

/// An executor that nobody refers to takes no more tasks; those it has go on.
template <class Tasks>
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  std::shared_ptr<Tasks>& tasks = as_executor<Tasks>(self)->tasks;
  if (tasks) tasks->end(gone_text);
  tasks.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyCFunction fast(PyObject* (*f)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

PyMethodDef process_methods[] = {
    {"submit", fast(submit_to_processes), METH_FASTCALL | METH_KEYWORDS,
     "submit($self, fn, /, *args, **kwargs)\n--\n\nSubmits fn(*args, **kwargs) to a worker process; "
     "answers its Future."},
    {"_submit_with", fast(submit_with), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"_submit_chunk", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(submit_chunk)), METH_FASTCALL,
     nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyMethodDef thread_methods[] = {
    {"submit", fast(submit_to_threads), METH_FASTCALL | METH_KEYWORDS,
     "submit($self, fn, /, *args, **kwargs)\n--\n\nSubmits fn(*args, **kwargs) to a thread; answers its "
     "Future."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot process_slots[] = {{Py_tp_new, reinterpret_cast<void*>(make<process_tasks>)},
                               {Py_tp_init, reinterpret_cast<void*>(init)},
                               {Py_tp_methods, process_methods},
                               {Py_tp_dealloc, reinterpret_cast<void*>(dealloc<process_tasks>)},
                               {0, nullptr}};
PyType_Slot thread_slots[] = {{Py_tp_new, reinterpret_cast<void*>(make<thread_tasks>)},
                              {Py_tp_init, reinterpret_cast<void*>(init)},
                              {Py_tp_methods, thread_methods},
                              {Py_tp_dealloc, reinterpret_cast<void*>(dealloc<thread_tasks>)},
                              {0, nullptr}};
PyType_Spec process_spec = {"centimane._core.ProcessSubmitter", sizeof(executor_object<process_tasks>), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, process_slots};
PyType_Spec thread_spec = {"centimane._core.ThreadSubmitter", sizeof(executor_object<thread_tasks>), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, thread_slots};

bool add(PyObject* module, const char* name, PyType_Spec& spec, PyTypeObject*& type) {
  type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type != nullptr && PyModule_AddObjectRef(module, name, reinterpret_cast<PyObject*>(type)) == 0;
}

template <class Tasks>
void attach_to(PyTypeObject* type, PyObject* executor, std::shared_ptr<Tasks> tasks) {
  if (PyObject_TypeCheck(executor, type) == 0) {
    PyErr_SetString(PyExc_TypeError, "no executor of this kind");
    throw raised{};
  }
  as_executor<Tasks>(executor)->tasks = std::move(tasks);
}

}  // namespace

bool add_executor_types(PyObject* module) {
  return add(module, "ProcessSubmitter", process_spec, process_type) &&
         add(module, "ThreadSubmitter", thread_spec, thread_type);
}

void attach(PyObject* executor, std::shared_ptr<process_tasks> tasks) {
  attach_to(process_type, executor, std::move(tasks));
}
void attach(PyObject* executor, std::shared_ptr<thread_tasks> tasks) {
  attach_to(thread_type, executor, std::move(tasks));
}

}  // namespace centimane::python
