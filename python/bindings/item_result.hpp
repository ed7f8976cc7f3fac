// Makes centimane.ItemResult objects without running Python: its slots are filled where they lie. For streams and
// callbacks, which make one an item. Needs the GIL.
#pragma once
#include <cstdint>

#include "object.hpp"

namespace centimane::python {

/// Finds the slots of the class. False: the error indicator is set (the class has not the slots it should have).
bool prepare_item_result(PyObject* type);

/// One of value and error is null; key may be. Null with the error indicator set if there is no memory.
PyObject* make_item_result(std::uint64_t index, PyObject* value, PyObject* error, int attempts, double seconds,
                           PyObject* key);

}  // namespace centimane::python
