// centimane._core.NamedMemory: shared memory with a name, exported by the buffer protocol.
#pragma once
#include <nanobind/nanobind.h>

namespace centimane::python {

void add_named_memory(nanobind::module_& module);

}  // namespace centimane::python
