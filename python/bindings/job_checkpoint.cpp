// What a job does for item keys and a checkpoint: shows each item that comes to Python's side of it (`admit`, see
// _checkpoint.py), puts the values it has in place, and hands it each new value before anybody hears of that.
// Policies on items have no chunks: an index is an item here.
#include "job.hpp"

namespace centimane::python {

/// The items from `first` on have come. One whose key is refused ends the source there, as one that cannot be had does.
void job::admit_from(std::uint64_t first, engine::pulled& got) {
  for (std::uint64_t i = first; i < source_.known(); ++i) {
    ref answer, number = ref::steal(PyLong_FromUnsignedLongLong(i)), item = source_.item(i, outcomes);
    if (number && item) {
      answer = ref::steal(user_call(
          [&] { return PyObject_CallFunctionObjArgs(options_.admit.get(), number.get(), item.get(), nullptr); }));
    }
    if (!answer) {
      ref error = take_error();
      for (std::uint64_t k = i; k < source_.known(); ++k) outcomes.drop_item(k);
      source_.retract(i);
      got.ended = true;
      if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) {
        interrupted(std::move(error));
      } else if (PyErr_GivenExceptionMatches(error.get(), PyExc_Exception) == 0) {
        give_up(std::move(error));
      } else {
        source_error_ = std::move(error);  // what came before it is carried to its end
      }
      return;
    }
    if (answer.get() == Py_None) continue;
    outcomes.drop_item(i);
    outcomes.put_value(i, ref::borrow(PyTuple_GET_ITEM(answer.get(), 0)), -1);
    restored_.push_back(i);
  }
}

/// A failure to write ends the run: what is computed from now on would be lost, and computed again.
void job::record(std::span<const index> items) {
  ref all = ref::steal(PyList_New(0));
  for (const index i : items) {
    ref number = ref::steal(PyLong_FromUnsignedLongLong(i));
    ref pair = all && number ? ref::steal(PyTuple_Pack(2, number.get(), outcomes.get(i).what)) : ref();
    if (!pair || PyList_Append(all.get(), pair.get()) != 0) {
      give_up(take_error());
      throw abandoned{};
    }
  }
  for (;;) {
    if (ref::steal(user_call([&] { return PyObject_CallOneArg(options_.keep.get(), all.get()); }))) return;
    ref error = take_error();
    // Ctrl-C came in the middle of it. What is computed is written all the same: writing it twice is no harm.
    if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt) != 0) {
      interrupted(std::move(error));
      continue;
    }
    give_up(std::move(error));
    throw abandoned{};
  }
}

void job::forget(std::uint64_t i) {
  attempts_.erase(i);
  if (options_.keys) drop_key(options_.keys.get(), i);
}

PyObject* job::key_of(std::uint64_t i) const {
  if (!options_.keys) return nullptr;
  ref number = ref::steal(PyLong_FromUnsignedLongLong(i));
  return number ? PyDict_GetItemWithError(options_.keys.get(), number.get()) : nullptr;
}

void job::drop_key(PyObject* from, std::uint64_t i) {
  ref number = ref::steal(PyLong_FromUnsignedLongLong(i));
  if (!number || PyDict_DelItem(from, number.get()) != 0) PyErr_Clear();
}

}  // namespace centimane::python
