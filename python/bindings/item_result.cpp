// See item_result.hpp.
#include "item_result.hpp"

#include <structmember.h>

namespace centimane::python {
namespace {

enum slot : std::uint8_t { index_slot, value_slot, error_slot, attempts_slot, duration_slot, key_slot, slots };
constexpr const char* names[slots] = {"index", "value", "error", "attempts", "duration", "key"};

PyTypeObject* item_type = nullptr;  // for the life of the process
Py_ssize_t offsets[slots];

void fill(PyObject* object, slot which, PyObject* owned) {
  *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offsets[which]) = owned;
}

}  // namespace

bool prepare_item_result(PyObject* type) {
  if (PyType_Check(type) == 0) return PyErr_SetString(PyExc_TypeError, "ItemResult must be a class"), false;
  for (int i = 0; i < slots; ++i) {
    ref member = ref::steal(PyObject_GetAttrString(type, names[i]));
    if (!member) return false;
    if (Py_TYPE(member.get()) != &PyMemberDescr_Type) {
      PyErr_Format(PyExc_TypeError, "ItemResult.%s must be a slot", names[i]);
      return false;
    }
    offsets[i] = reinterpret_cast<PyMemberDescrObject*>(member.get())->d_member->offset;
  }
  item_type = reinterpret_cast<PyTypeObject*>(ref::borrow(type).release());
  return true;
}

PyObject* make_item_result(std::uint64_t index, PyObject* value, PyObject* error, int attempts, double seconds,
                           PyObject* key) {
  ref number = ref::steal(PyLong_FromUnsignedLongLong(index));
  ref tries = ref::steal(PyLong_FromLong(attempts));
  ref duration = ref::steal(PyFloat_FromDouble(seconds));
  if (!number || !tries || !duration) return nullptr;
  PyObject* made = item_type->tp_alloc(item_type, 0);
  if (made == nullptr) return nullptr;
  fill(made, index_slot, number.release());
  fill(made, value_slot, ref::borrow(value != nullptr ? value : Py_None).release());
  fill(made, error_slot, ref::borrow(error != nullptr ? error : Py_None).release());
  fill(made, attempts_slot, tries.release());
  fill(made, duration_slot, duration.release());
  fill(made, key_slot, ref::borrow(key != nullptr ? key : Py_None).release());
  return made;
}

}  // namespace centimane::python
