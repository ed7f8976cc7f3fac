// The executors' part of the extension module.
#pragma once
#include <memory>

#include "object.hpp"
#include "process/pool.hpp"

namespace centimane::python {

/// Adds the futures' and executors' types and functions to the module. False: the error indicator is set.
bool add_executors(PyObject* module);
/// The engine's pool of a _core.Pool; throws what nanobind throws for another object.
std::shared_ptr<engine::pool> pool_of(PyObject* handle);

}  // namespace centimane::python
