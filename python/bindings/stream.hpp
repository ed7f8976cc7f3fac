// What parallel_iter answers: an iterator around a generator, which Python gives further attributes to. A class of
// Python's own with a __next__ would cost each item more than the generator does.
#pragma once
#include <Python.h>

namespace centimane::python {

/// The type centimane._core.Stream: Stream(iterator), to be subclassed. Null with the error indicator set.
PyObject* make_stream_type();

}  // namespace centimane::python
