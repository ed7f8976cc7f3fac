// multiprocessing's queues: put and get run once an item, so their type is compiled. What a queue is made of, how it is
// pickled and what its errors are is Python's (multiprocessing/queues.py).
#pragma once
#include "object.hpp"

namespace centimane::python {

/// Adds the type SharedQueue and set_queues() to the module. False: the error indicator is set.
bool add_shared_queue(PyObject* module);

}  // namespace centimane::python
