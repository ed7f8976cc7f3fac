// Small helpers over the raw C API, for what runs once an item: an owned reference, the error indicator as an object,
// the GIL. Everything here needs the GIL except where it says otherwise.
#pragma once
#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

#include <utility>

namespace centimane::python {

/// An owned reference, or none.
class ref {
 public:
  ref() noexcept = default;
  ref(const ref& other) noexcept : at_(other.at_) { Py_XINCREF(at_); }
  ref(ref&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  ref& operator=(ref other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~ref() { Py_XDECREF(at_); }
  /// Takes over a reference that the caller owns.
  static ref steal(PyObject* owned) noexcept {
    ref r;
    r.at_ = owned;
    return r;
  }
  static ref borrow(PyObject* other) noexcept {
    Py_XINCREF(other);
    return steal(other);
  }
  [[nodiscard]] PyObject* get() const noexcept { return at_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(at_, nullptr); }
  /// Nothing for None: optional callables come so.
  [[nodiscard]] static ref unless_none(PyObject* other) noexcept { return other == Py_None ? ref() : borrow(other); }
  explicit operator bool() const noexcept { return at_ != nullptr; }

 private:
  PyObject* at_ = nullptr;
};

/// Clears the error indicator; answers the exception, its traceback attached. Nothing if none was set.
inline ref take_error() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  return ref::steal(PyErr_GetRaisedException());
#else
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  if (type == nullptr) return {};
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace != nullptr) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return ref::steal(value);
#endif
}

/// Sets the error indicator to `error`; its traceback goes on from here.
inline void put_error_back(ref error) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(error.release());
#else
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(error.get()));
  Py_INCREF(type);
  PyObject* trace = PyException_GetTraceback(error.get());
  PyErr_Restore(type, error.release(), trace);
#endif
}

/// The error indicator is set: thrown from our own functions to the border, where it becomes a NULL.
struct raised {};

/// The interpreter's end unwinds threads that ask for the GIL (up to 3.13). Nothing of ours may be unwound so:
/// destructors would run without the GIL, and a noexcept frame would abort the process. The thread waits for the
/// process to end instead.
[[noreturn]] inline void wait_for_the_end() {
  for (;;) ::pause();
}

/// Takes the GIL back; a thread that the interpreter's end has overtaken stops here for good.
inline void come_back(PyThreadState* state) {
  try {
    PyEval_RestoreThread(state);
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

/// A call that may run Python code, which may be where a thread learns that the interpreter has ended.
template <class Call>
auto user_call(Call call) {
  try {
    return call();
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

/// Lets other Python threads run while it lives.
class without_gil {
 public:
  without_gil() noexcept : state_(PyEval_SaveThread()) {}
  without_gil(const without_gil&) = delete;
  without_gil& operator=(const without_gil&) = delete;
  ~without_gil() { come_back(state_); }

 private:
  PyThreadState* state_;
};

}  // namespace centimane::python
