// How a function that nanobind calls reports errors: those of C++ and those that Python has set alike.
#pragma once
#include <nanobind/nanobind.h>

#include "run.hpp"

namespace centimane::python {

/// What body() answers. Throws what nanobind makes a Python exception of.
template <class Body>
auto checked(Body body) {
  try {
    return body();
  } catch (...) {
    translate_exception();
  }
  throw nanobind::python_error();
}

}  // namespace centimane::python
