// `SharedBytes`: writable bytes that processes share, behind the buffer protocol. Value and Array of
// centimane.multiprocessing lie in them (multiprocessing/sharedctypes.py).
#include "run.hpp"
#include "share/slab.hpp"
#include "share_wait.hpp"

namespace centimane::python {
namespace {

struct bytes_object {
  PyObject_HEAD;
  std::shared_ptr<share::cell> cell;
};

bytes_object* as_bytes(PyObject* o) noexcept { return reinterpret_cast<bytes_object*>(o); }

PyObject* fill(PyTypeObject* type, std::shared_ptr<share::cell> cell) {
  PyObject* object = type->tp_alloc(type, 0);
  if (object != nullptr) new (&as_bytes(object)->cell) std::shared_ptr<share::cell>(std::move(cell));
  return object;
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"size", nullptr};
  Py_ssize_t size = 0;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "n", const_cast<char**>(names), &size) == 0) return nullptr;
  if (size < 0) return PyErr_SetString(PyExc_ValueError, "size must not be negative"), nullptr;
  try {
    return fill(type, share::cell::make(share::cell_kind::bytes, static_cast<std::size_t>(size)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* open(PyObject* type, PyObject* handle) {
  if (PyBytes_Check(handle) == 0) return PyErr_SetString(PyExc_TypeError, "a handle is a bytes object"), nullptr;
  try {
    return fill(reinterpret_cast<PyTypeObject*>(type), share::cell::open(share::cell_kind::bytes, handle_in(handle)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* hand_out(PyObject* self, PyObject*) {
  try {
    return bytes_of_handle(as_bytes(self)->cell->hand_out());
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const share::cell& cell = *as_bytes(self)->cell;
  return PyBuffer_FillInfo(view, self, cell.data(), static_cast<Py_ssize_t>(cell.size()), 0, flags);
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_bytes(self)->cell.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {{"_open", open, METH_O | METH_CLASS, nullptr},
                         {"_hand_out", hand_out, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_methods, methods},
                       {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {0, nullptr}};
PyType_Spec spec = {"centimane._core.SharedBytes", sizeof(bytes_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                    slots};

}  // namespace

bool add_shared_bytes(PyObject* module) {
  const ref type = ref::steal(PyType_FromSpec(&spec));
  return type && PyModule_AddObjectRef(module, "SharedBytes", type.get()) == 0;
}

}  // namespace centimane::python
