// `SharedCondition`, `SharedEvent` and `SharedBarrier`: what processes wait for together. The classes that users see
// are in multiprocessing/synchronize.py.
#pragma once
#include <nanobind/nanobind.h>

namespace centimane::python {

void add_shared_waits(nanobind::module_& m);

}  // namespace centimane::python
