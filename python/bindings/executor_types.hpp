// The compiled halves of the executors: their submit(), which runs once a task. What opens, ends and configures them is
// Python's.
#pragma once
#include <memory>

#include "process_tasks.hpp"
#include "thread_tasks.hpp"

namespace centimane::python {

bool add_executor_types(PyObject* module);
/// Gives an executor (an instance of one of the types) what carries its tasks.
void attach(PyObject* executor, std::shared_ptr<process_tasks> tasks);
void attach(PyObject* executor, std::shared_ptr<thread_tasks> tasks);

}  // namespace centimane::python
