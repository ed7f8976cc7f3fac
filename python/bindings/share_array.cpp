// See share_array.hpp.
#include "share_array.hpp"

#include <structmember.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "centimane/errors.hpp"
#include "platform/copy.hpp"
#include "run.hpp"
#include "share/segment.hpp"

namespace centimane::python {
namespace {

/// What takes longer lets other threads run meanwhile.
constexpr std::size_t long_copy = 1024 * 1024;
/// As many dimensions as a memoryview has.
constexpr Py_ssize_t most_dimensions = PyBUF_MAX_NDIM;

/// What a block holds in C++.
struct block_body {
  std::shared_ptr<share::segment> memory;
  std::vector<Py_ssize_t> shape, strides;
  std::string format;  ///< empty: it is exported as bytes
  bool contiguous_c = true, contiguous_f = true;
};

struct shared_block {
  PyObject_HEAD PyObject* shape;
  PyObject* token;
  Py_ssize_t size, item_size;
  char fortran;
  block_body* body;
};

PyTypeObject* type = nullptr;  // for the life of the process

shared_block* block(PyObject* self) { return reinterpret_cast<shared_block*>(self); }

struct request {
  PyObject* handle = nullptr;
  PyObject* shape = nullptr;
  const char* format = nullptr;
  Py_ssize_t item_size = 0;
  int fortran = 0;
  PyObject* token = nullptr;
};

/// Throws raised.
block_body describe(const request& r, Py_ssize_t& size) {
  block_body made;
  const Py_ssize_t dimensions = PyTuple_GET_SIZE(r.shape);
  if (dimensions > most_dimensions) {
    PyErr_Format(PyExc_ValueError, "shape has %zd dimensions: at most %zd can be shared", dimensions, most_dimensions);
    throw raised{};
  }
  size = r.item_size;
  bool empty = false;
  Py_ssize_t longest = r.item_size;  // as if no dimension were 0: strides must not overflow either
  for (Py_ssize_t k = 0; k < dimensions; ++k) {
    const Py_ssize_t n = PyLong_AsSsize_t(PyTuple_GET_ITEM(r.shape, k));
    if (n == -1 && PyErr_Occurred() != nullptr) throw raised{};
    if (n < 0) {
      PyErr_SetString(PyExc_ValueError, "shape must not be negative");
      throw raised{};
    }
    made.shape.push_back(n);
    if (n == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(longest, n, &longest)) {
      PyErr_SetString(PyExc_ValueError, "shape is larger than any memory");
      throw raised{};
    }
  }
  size = empty ? 0 : longest;
  made.strides.resize(made.shape.size());
  Py_ssize_t stride = r.item_size;
  for (std::size_t k = 0; k < made.shape.size(); ++k) {
    const std::size_t at = r.fortran != 0 ? k : made.shape.size() - 1 - k;
    made.strides[at] = stride;
    if (made.shape[at] != 0) stride *= made.shape[at];
  }
  // Dimensions of one element have no order.
  std::size_t long_ones = 0;
  for (const Py_ssize_t n : made.shape) long_ones += n > 1 ? 1 : 0;
  if (long_ones > 1 && !empty) (r.fortran != 0 ? made.contiguous_c : made.contiguous_f) = false;
  if (r.format != nullptr) made.format = r.format;
  return made;
}

share::handle handle_in(PyObject* bytes) {
  share::handle it;
  if (PyBytes_GET_SIZE(bytes) != static_cast<Py_ssize_t>(sizeof it)) {
    throw payload_error("centimane: the handle of shared memory is damaged: it has a wrong length", "read_args");
  }
  std::memcpy(&it, PyBytes_AS_STRING(bytes), sizeof it);
  return it;
}

PyObject* make(PyTypeObject* of, PyObject* arguments, PyObject* keywords) try {
  request r;
  if (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0) {
    PyErr_SetString(PyExc_TypeError, "SharedBlock takes no keywords");
    return nullptr;
  }
  if (PyArg_ParseTuple(arguments, "OO!znpO", &r.handle, &PyTuple_Type, &r.shape, &r.format, &r.item_size, &r.fortran,
                       &r.token) == 0)
    return nullptr;
  const bool fresh = r.handle == Py_None;
  if (!fresh && PyBytes_Check(r.handle) == 0) {
    PyErr_SetString(PyExc_TypeError, "a handle is bytes");
    return nullptr;
  }
  Py_ssize_t size = 0;
  block_body body = describe(r, size);
  if (fresh) {
    const without_gil others;
    body.memory = share::segment::create(static_cast<std::size_t>(size));
  } else {
    const share::handle which = handle_in(r.handle);
    const without_gil others;
    body.memory = share::segment::open(which);
  }
  if (body.memory->bytes().size() < static_cast<std::size_t>(size)) {
    throw payload_error("centimane: the handle of shared memory is damaged: the memory is smaller than the array",
                        "read_args");
  }
  ref self = ref::steal(of->tp_alloc(of, 0));
  if (!self) return nullptr;
  shared_block* me = block(self.get());
  me->body = new block_body(std::move(body));
  me->shape = ref::borrow(r.shape).release();
  me->token = ref::borrow(r.token).release();
  me->size = size;
  me->item_size = r.item_size;
  me->fortran = r.fortran != 0 ? 1 : 0;
  return self.release();
} catch (...) {
  translate_exception();
  return nullptr;
}

void end(PyObject* self) {
  shared_block* me = block(self);
  PyTypeObject* of = Py_TYPE(self);
  if (me->body != nullptr) {
    delete me->body;
    share::segment::let_go_of_what_was_taken();  // a good time
  }
  Py_XDECREF(me->shape);
  Py_XDECREF(me->token);
  of->tp_free(self);
  Py_DECREF(of);
}

std::byte* data(shared_block* me) { return me->body->memory->bytes().data(); }

int refuse(const char* what) {
  PyErr_SetString(PyExc_BufferError, what);
  return -1;
}

int export_buffer(PyObject* self, Py_buffer* into, int flags) {
  shared_block* me = block(self);
  block_body& body = *me->body;
  into->obj = nullptr;
  const bool shaped = (flags & PyBUF_ND) == PyBUF_ND, strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  if (body.format.empty() || !shaped) return PyBuffer_FillInfo(into, self, data(me), me->size, 0, flags);
  const bool needs_c = !strided || (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS;
  if (needs_c && !body.contiguous_c) return refuse("this SharedArray is in Fortran's order");
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !body.contiguous_f)
    return refuse("this SharedArray is in C's order");
  into->buf = data(me);
  into->obj = ref::borrow(self).release();
  into->len = me->size;
  into->itemsize = me->item_size;
  into->readonly = 0;
  into->ndim = static_cast<int>(body.shape.size());
  into->format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? body.format.data() : nullptr;
  into->shape = body.shape.data();
  into->strides = strided ? body.strides.data() : nullptr;
  into->suboffsets = nullptr;
  into->internal = nullptr;
  return 0;
}

PyObject* hand_out(PyObject* self, PyObject*) try {
  const share::handle it = block(self)->body->memory->hand_out();
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(&it), sizeof it);
} catch (...) {
  translate_exception();
  return nullptr;
}

PyObject* put(PyObject* self, PyObject* arguments) {
  shared_block* me = block(self);
  Py_ssize_t at = 0;
  PyObject* from = nullptr;
  if (PyArg_ParseTuple(arguments, "nO", &at, &from) == 0) return nullptr;
  Py_buffer view;
  if (PyObject_GetBuffer(from, &view, PyBUF_SIMPLE) != 0) return nullptr;
  if (at < 0 || at > me->size || view.len > me->size - at) {
    PyBuffer_Release(&view);
    PyErr_SetString(PyExc_ValueError, "these bytes do not fit there");
    return nullptr;
  }
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(view.buf), static_cast<std::size_t>(view.len));
  if (bytes.size() < long_copy) {
    platform::copy_bytes(data(me) + at, bytes);
  } else {
    const without_gil others;
    platform::copy_bytes(data(me) + at, bytes);
  }
  PyBuffer_Release(&view);
  Py_RETURN_NONE;
}

PyObject* same_memory(PyObject* self, PyObject* other) {
  if (PyObject_TypeCheck(other, type) == 0) Py_RETURN_FALSE;
  return PyBool_FromLong(block(self)->body->memory == block(other)->body->memory ? 1 : 0);
}

PyObject* forget(PyObject*, PyObject*) {
  share::forget_handed_out();
  Py_RETURN_NONE;
}
PyMethodDef forget_method = {"forget_handed_out", forget, METH_NOARGS, nullptr};

PyMethodDef methods[] = {
    {"_hand_out", hand_out, METH_NOARGS, nullptr},
    {"_put", put, METH_VARARGS, nullptr},
    {"_same_memory", same_memory, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyMemberDef members[] = {
    {"shape", T_OBJECT_EX, offsetof(shared_block, shape), READONLY, "The length of each dimension."},
    {"_token", T_OBJECT_EX, offsetof(shared_block, token), READONLY, nullptr},
    {"nbytes", T_PYSSIZET, offsetof(shared_block, size), READONLY, "The size in bytes."},
    {"itemsize", T_PYSSIZET, offsetof(shared_block, item_size), READONLY, "The size of an element in bytes."},
    {"_fortran", T_BOOL, offsetof(shared_block, fortran), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(make)},
    {Py_tp_dealloc, reinterpret_cast<void*>(end)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(export_buffer)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_doc, const_cast<char*>("Memory that processes share.")},
    {0, nullptr},
};
PyType_Spec spec = {"centimane._core.SharedBlock", sizeof(shared_block), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                    slots};

}  // namespace

bool add_shared_block(PyObject* module) {
  if (type == nullptr) type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  const ref function = ref::steal(PyCFunction_New(&forget_method, nullptr));
  return type != nullptr && function &&
         PyModule_AddObjectRef(module, "SharedBlock", reinterpret_cast<PyObject*>(type)) == 0 &&
         PyModule_AddObjectRef(module, forget_method.ml_name, function.get()) == 0;
}

bool is_shared_block(PyObject* object) noexcept { return type != nullptr && PyObject_TypeCheck(object, type) != 0; }

}  // namespace centimane::python
