// What the shared objects' bindings have in common: a wait without the GIL that Ctrl-C ends, and errors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "centimane/detail/words.hpp"
#include "object.hpp"
#include "share/lock.hpp"
#include "share/patience.hpp"

namespace centimane::python {

/// While it lives others have the GIL. Between two sleeps of `patience` signals are looked at; what a handler raises is
/// kept in `error`, and the wait stops.
class waiting {
 public:
  explicit waiting(std::int64_t until) noexcept : patience(until, &go_on, this), state_(PyEval_SaveThread()) {}
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;
  ~waiting() { come_back(state_); }

  /// For a second wait within this one.
  [[nodiscard]] share::patience without_limit() noexcept {
    return share::patience(share::patience::for_ever, &go_on, this);
  }
  /// Puts it back as the error indicator; false if there was none. Only with the GIL: after this object's end.
  static bool put_back(ref& error) noexcept {
    if (!error) return false;
    put_error_back(std::move(error));
    return true;
  }

  share::patience patience;
  /// Whither an error goes: it outlives this object.
  ref* error = nullptr;

 private:
  static bool go_on(void* self) noexcept {
    auto* me = static_cast<waiting*>(self);
    come_back(me->state_);
    const bool ok = user_call(PyErr_CheckSignals) == 0;
    if (!ok) {
      ref raised = take_error();
      if (me->error != nullptr && !*me->error) *me->error = std::move(raised);
    }
    me->state_ = PyEval_SaveThread();
    return ok;
  }
  PyThreadState* state_;
};

/// The moment when a wait of `timeout` seconds ends: None for ever, nothing and less than that at once. False: an error
/// is set.
bool end_of_wait(PyObject* timeout, std::int64_t& until) noexcept;

/// Sets OwnerDied.
void set_owner_died(const std::string& message, std::int64_t pid) noexcept;

/// The lock behind a SharedLock; null if it is a semaphore, or something else.
std::shared_ptr<share::lock> lock_of(PyObject* object) noexcept;

template <class Handle>
PyObject* bytes_of_handle(const Handle& handle) noexcept {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(&handle), sizeof handle);
}
inline std::span<const std::byte> handle_in(PyObject* bytes) noexcept {
  return {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(bytes)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

/// The types, added to the module. False: an error is set.
bool add_shared_lock(PyObject* module);
bool add_shared_bytes(PyObject* module);

}  // namespace centimane::python
