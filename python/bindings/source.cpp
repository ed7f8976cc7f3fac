// See source.hpp.
#include "source.hpp"

#include <algorithm>

#include "ticks.hpp"

namespace centimane::python {
namespace {

/// A pull that has brought something ends after about this long, so that a slow source does not keep outcomes waiting.
constexpr double long_pull = 200e-6;

/// A range's attribute as a machine number; nothing if it does not fit.
std::optional<long long> attribute(PyObject* range, const char* name) {
  ref value = ref::steal(PyObject_GetAttrString(range, name));
  if (!value) return PyErr_Clear(), std::nullopt;
  int overflow = 0;
  long long n = PyLong_AsLongLongAndOverflow(value.get(), &overflow);
  if (overflow != 0 || (n == -1 && PyErr_Occurred() != nullptr)) return PyErr_Clear(), std::nullopt;
  return n;
}

}  // namespace

bool source::open(PyObject* items, bool staged) {
  if (items == Py_None) return kind_ = kind::later, true;
  staged_ = staged;
  if (PyTuple_CheckExact(items)) {
    input_ = ref::borrow(items);
    total_ = static_cast<std::uint64_t>(PyTuple_GET_SIZE(items));
    known_ = staged ? 0 : *total_;
    return true;
  }
  if (Py_TYPE(items) == &PyRange_Type) {
    auto start = attribute(items, "start"), stop = attribute(items, "stop"), step = attribute(items, "step");
    Py_ssize_t n = PyObject_Length(items);
    if (start && stop && step && n >= 0) {
      kind_ = kind::range;
      start_ = *start;
      step_ = *step;
      total_ = static_cast<std::uint64_t>(n);
      known_ = staged ? 0 : *total_;
      return true;
    }
    PyErr_Clear();
  }
  kind_ = kind::iterator;
  input_ = ref::steal(PyObject_GetIter(items));
  return static_cast<bool>(input_);
}

ref source::item(std::uint64_t i, const shelf& pulled) const {
  switch (kind_) {
    case kind::tuple:
      return ref::borrow(PyTuple_GET_ITEM(input_.get(), static_cast<Py_ssize_t>(i)));
    case kind::range:
      return ref::steal(PyLong_FromLongLong(*number(i)));
    case kind::iterator:
    case kind::later:
      break;
  }
  PyObject* item = pulled.item(i);
  if (item == nullptr)
    return PyErr_Format(PyExc_RuntimeError, "item %llu is not here", static_cast<unsigned long long>(i)), ref();
  return ref::borrow(item);
}

void source::add(PyObject* list, shelf& into) {
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list); ++k) into.put_item(known_++, ref::borrow(PyList_GET_ITEM(list, k)));
}

engine::pulled source::pull(std::uint64_t at_most, shelf& into) {
  engine::pulled got;
  if (total_) {
    got.count = std::min(at_most, *total_ - known_);
    known_ += got.count;
    got.ended = known_ == *total_;
    return got;
  }
  if (!input_) {
    got.ended = true;
    return got;
  }
  // The iterator may be another thread's too, or end this run from inside: hold on to it.
  ref input = input_;
  const std::uint64_t begin = ticks();
  while (got.count < at_most) {
    ref item = ref::steal(user_call([&] { return Py_TYPE(input.get())->tp_iternext(input.get()); }));
    if (!item) {
      if (PyErr_Occurred() != nullptr) {
        if (PyErr_ExceptionMatches(PyExc_StopIteration) != 0) {
          PyErr_Clear();
        } else {
          got.failed = true;
        }
      }
      got.ended = !got.failed;
      input_ = ref();
      break;
    }
    into.put_item(known_, std::move(item));
    ++known_;
    ++got.count;
    if (seconds_between(begin, ticks()) > static_cast<float>(long_pull)) break;
  }
  return got;
}

}  // namespace centimane::python
