// See stream.hpp.
#include "stream.hpp"

#include <structmember.h>

#include <cstddef>

#include "object.hpp"

namespace centimane::python {
namespace {

struct stream_object {
  PyObject_HEAD PyObject* inner;
};

PyObject*& inner_of(PyObject* self) { return reinterpret_cast<stream_object*>(self)->inner; }

int init(PyObject* self, PyObject* arguments, PyObject*) {
  PyObject* inner = nullptr;
  if (PyArg_ParseTuple(arguments, "O:Stream", &inner) == 0) return -1;
  if (PyIter_Check(inner) == 0) {
    PyErr_SetString(PyExc_TypeError, "a Stream is made of an iterator");
    return -1;
  }
  ref before = ref::steal(inner_of(self));
  inner_of(self) = ref::borrow(inner).release();
  return 0;
}

PyObject* next(PyObject* self) {
  PyObject* inner = inner_of(self);
  if (inner == nullptr) return nullptr;
  const ref held = ref::borrow(inner);
  return Py_TYPE(inner)->tp_iternext(inner);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(inner_of(self));
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(inner_of(self));
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {{"_inner", T_OBJECT, offsetof(stream_object, inner), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_init, reinterpret_cast<void*>(init)},
                       {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                       {Py_tp_iternext, reinterpret_cast<void*>(next)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {Py_tp_members, members},
                       {0, nullptr}};
PyType_Spec spec = {"centimane._core.Stream", sizeof(stream_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

PyObject* make_stream_type() { return PyType_FromSpec(&spec); }

}  // namespace centimane::python
