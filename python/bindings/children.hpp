// Processes that run one Python function each: the driver's handles on them, and what the zygote's children do.
#pragma once
#include <nanobind/nanobind.h>

#include "process/zygote.hpp"

namespace centimane::python {

/// Adds Children and Child to the module.
void add_children(nanobind::module_& module);
/// The life of such a process, with the GIL. Answers its exit code.
int live_as_child(engine::child_files files);

}  // namespace centimane::python
