// How heavy an item is, for windows by bytes. Needs the GIL.
#pragma once
#include <cstdint>

#include "object.hpp"

namespace centimane::python {

/// About how many bytes the item holds: its data if it is text, bytes, a buffer or has `nbytes`; else what
/// sys.getsizeof says, for tuples, lists and dicts with what they hold. Never fails.
std::uint64_t weight_of(PyObject* item);

}  // namespace centimane::python
