// See block_view.hpp.
#include "block_view.hpp"

#include <new>

namespace centimane::python {
namespace {

struct block_view {
  PyObject_HEAD std::byte* at;
  std::size_t size;
  std::shared_ptr<const void> hold;
};

PyTypeObject* type = nullptr;  // for the life of the process

void end(PyObject* self) {
  auto* me = reinterpret_cast<block_view*>(self);
  PyTypeObject* of = Py_TYPE(self);
  me->hold.~shared_ptr();
  of->tp_free(self);
  Py_DECREF(of);
}

int export_buffer(PyObject* self, Py_buffer* into, int flags) {
  auto* me = reinterpret_cast<block_view*>(self);
  return PyBuffer_FillInfo(into, self, me->at, static_cast<Py_ssize_t>(me->size), 0, flags);
}

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(end)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(export_buffer)},
    {Py_tp_doc, const_cast<char*>("Shared memory that something large lies in; it lives as long as this.")},
    {0, nullptr},
};
PyType_Spec spec = {"centimane._core.BlockView", sizeof(block_view), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

ref make_block_view(std::byte* at, std::size_t size, std::shared_ptr<const void> hold) {
  PyObject* made = type->tp_alloc(type, 0);
  if (made == nullptr) return {};
  auto* me = reinterpret_cast<block_view*>(made);
  me->at = at;
  me->size = size;
  new (&me->hold) std::shared_ptr<const void>(std::move(hold));
  return ref::steal(made);
}

bool prepare_block_view() {
  if (type == nullptr) type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return type != nullptr;
}

}  // namespace centimane::python
