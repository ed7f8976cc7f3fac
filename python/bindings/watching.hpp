// What a run tells of itself, as Python sees it.
#pragma once
#include "centimane/insights.hpp"
#include "object.hpp"

namespace centimane::python {

/// (detailed, elapsed, items, failed, attempts, encoding, decoding, workers, slowest) for centimane._insights; times in
/// seconds. Null with the error indicator set.
PyObject* as_tuple(const insights& what);

}  // namespace centimane::python
