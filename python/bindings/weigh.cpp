// See weigh.hpp.
#include "weigh.hpp"

#include "share_array.hpp"

namespace centimane::python {
namespace {

/// What holds what holds what: deeper ones count with what they are by themselves.
constexpr int deepest = 2;

/// A number that Python code answers with; 0 if it has none.
std::uint64_t number(const ref& answer) {
  if (!answer || PyLong_Check(answer.get()) == 0) return PyErr_Clear(), 0;
  const unsigned long long n = PyLong_AsUnsignedLongLong(answer.get());
  return PyErr_Occurred() != nullptr ? (PyErr_Clear(), 0) : n;
}

std::uint64_t size_of(PyObject* item) {
  PyObject* getsizeof = PySys_GetObject("getsizeof");  // borrowed
  return getsizeof == nullptr ? 0 : number(ref::steal(user_call([&] { return PyObject_CallOneArg(getsizeof, item); })));
}

std::uint64_t weight_of(PyObject* item, int depth) {
  if (PyBytes_Check(item)) return static_cast<std::uint64_t>(PyBytes_GET_SIZE(item));
  if (PyByteArray_Check(item)) return static_cast<std::uint64_t>(PyByteArray_GET_SIZE(item));
  if (PyUnicode_Check(item))
    return static_cast<std::uint64_t>(PyUnicode_GET_LENGTH(item)) * static_cast<std::uint64_t>(PyUnicode_KIND(item));
  if (PyLong_CheckExact(item) || PyFloat_CheckExact(item) || item == Py_None) return size_of(item);
  if (depth < deepest && (PyTuple_CheckExact(item) || PyList_CheckExact(item))) {
    std::uint64_t all = size_of(item);
    // By index: what is asked of an element may change the list.
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(item); ++k) {
      const ref held = ref::borrow(PySequence_Fast_GET_ITEM(item, k));
      all += weight_of(held.get(), depth + 1);
    }
    return all;
  }
  if (depth < deepest && PyDict_CheckExact(item)) {
    const ref values = ref::steal(PyDict_Values(item));
    if (!values) return PyErr_Clear(), size_of(item);
    return size_of(item) + weight_of(values.get(), depth);
  }
  if (is_shared_block(item)) return shared_block_weight;
  if (const std::uint64_t n = number(ref::steal(user_call([&] { return PyObject_GetAttrString(item, "nbytes"); })));
      n > 0)
    return n;
  return size_of(item);
}

}  // namespace

std::uint64_t weight_of(PyObject* item) { return weight_of(item, 0); }

}  // namespace centimane::python
