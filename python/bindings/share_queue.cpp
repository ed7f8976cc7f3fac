// See share_queue.hpp.
#include "share_queue.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "centimane/errors.hpp"
#include "codec.hpp"
#include "platform/clock.hpp"
#include "platform/copy.hpp"
#include "run.hpp"
#include "share/shared_queue.hpp"

namespace centimane::python {
namespace {

using share::queue_core;
using share::queue_end;
using share::shared_queue;

/// Copies of more bytes than that are made without the GIL.
constexpr std::uint64_t long_copy = 256 * 1024;
/// Between two looks at signals, and at who has ended.
constexpr nanos slice = 100'000'000;
/// A call that shall not block waits so long for a process that is copying; longer only takes one that is stopped.
constexpr nanos patience = 1'000'000'000;

/// Handed over by queues.py; for the life of the process.
struct from_python {
  PyObject *empty = nullptr, *full = nullptr, *closed = nullptr, *owner_died = nullptr;
  PyObject* learn = nullptr;  ///< learn(definitions): what an item names of __main__
  pickling how;
} its;

struct queue_object {
  PyObject_HEAD;
  std::shared_ptr<shared_queue> queue;  ///< null: it was never made, or is closed
  bool closed, used;
};

queue_object* as_queue(PyObject* o) noexcept { return reinterpret_cast<queue_object*>(o); }

/// The queue, or null with the error indicator set. A copy: another thread may close it.
std::shared_ptr<shared_queue> open_queue(PyObject* self, const char* what) {
  queue_object* me = as_queue(self);
  if (me->queue && !me->closed) return me->queue;
  if (me->closed) {
    ref(ref::steal(PyObject_CallMethod(self, "_refuse", "s", what)));
  }
  if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "this queue was never made: call its __init__");
  return nullptr;
}

/// block and timeout, as the standard library has them.
struct patience_of {
  bool block = true, timed = false;
  nanos until = policy::never;
};

bool read_timeout(PyObject* block, PyObject* timeout, patience_of& into) {
  if (block != nullptr) {
    const int truth = block == Py_True ? 1 : block == Py_False ? 0 : PyObject_IsTrue(block);
    if (truth < 0) return false;
    into.block = truth != 0;
  }
  if (!into.block || timeout == nullptr || timeout == Py_None) return true;
  const double seconds = PyFloat_AsDouble(timeout);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) return false;
  if (seconds != seconds) return PyErr_SetString(PyExc_ValueError, "timeout: it must not be NaN"), false;
  if (seconds >= 9e9) return true;
  into.timed = true;
  into.until = platform::now() + (seconds <= 0 ? 0 : static_cast<nanos>(seconds * 1e9));
  return true;
}

/// Sorts the arguments of a call to where their names are. False: the error indicator is set.
template <std::size_t N>
bool sort_arguments(const char* call, const std::array<const char*, N>& names, PyObject* const* args, Py_ssize_t n,
                    PyObject* keywords, std::array<PyObject*, N>& into) {
  if (n > static_cast<Py_ssize_t>(N)) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zu arguments (%zd given)", call, N, n);
    return false;
  }
  std::copy_n(args, n, into.begin());
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* name = PyTuple_GET_ITEM(keywords, k);
    std::size_t at = 0;
    while (at < N && PyUnicode_CompareWithASCIIString(name, names[at]) != 0) ++at;
    if (at == N || into[at] != nullptr) {
      PyErr_Format(PyExc_TypeError, at == N ? "%s() has no argument '%U'" : "%s() got two values for '%U'", call, name);
      return false;
    }
    into[at] = args[n + k];
  }
  return true;
}

/// What a wait does between its slices.
class waiting {
 public:
  waiting(shared_queue& queue, const patience_of& how, bool taking) noexcept
      : queue_(queue), how_(how), taking_(taking) {}
  /// When this slice ends. Nothing, with the error indicator set: there is no more time, or it would never end.
  [[nodiscard]] std::optional<nanos> slice_end(queue_end seen) {
    const nanos now = platform::now();
    if (!how_.block || now >= how_.until) return PyErr_SetNone(taking_ ? its.empty : its.full), std::nullopt;
    if (deserted_ && seen == queue_end::later) {  // and since then we have looked once more
      PyErr_SetString(its.closed, taking_ ? "the queue is empty, and every other process that had it has ended"
                                          : "the queue is full, and every other process that had it has ended");
      return std::nullopt;
    }
    if (look_at_ == 0) look_at_ = now + slice / 10;
    waited = true;
    return std::min(how_.until, now + slice);
  }
  /// False: the error indicator is set. Nobody but a wait without an end is told that it has none.
  [[nodiscard]] bool goes_on() {
    if (user_call([] { return PyErr_CheckSignals(); }) != 0) return false;
    if (how_.timed || platform::now() < look_at_) return true;
    look_at_ = platform::now() + slice;
    without_gil others;
    deserted_ = queue_.deserted(taking_);
    return true;
  }
  bool waited = false;

 private:
  shared_queue& queue_;
  const patience_of& how_;
  const bool taking_;
  bool deserted_ = false;
  nanos look_at_ = 0;
};

/// The tag of an item that brings definitions of __main__ along: X, u32 length, these, then the item.
constexpr auto with_definitions = std::byte{'X'};

/// A writer that keeps its memory from put to put. Pickling may run code that puts into a queue in turn: then that has
/// one of its own.
class scratch {
 public:
  scratch() : mine_(!taken) {
    if (!mine_) own_.emplace();
    taken = true;
    out().clear();
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    if (mine_) taken = false;
    if (mine_ && kept.size() > long_copy) kept = writer();
  }
  [[nodiscard]] writer& out() noexcept { return mine_ ? kept : *own_; }

 private:
  static inline thread_local writer kept;
  static inline thread_local bool taken = false;
  const bool mine_;
  std::optional<writer> own_;
};

/// True: it is in the queue.
bool put_parts(shared_queue& queue, std::span<const queue_core::part> parts, const patience_of& how) {
  queue_core& core = queue.core();
  std::uint64_t bytes = 0;
  for (const auto& one : parts) bytes += one.size();
  waiting wait(queue, how, false);
  queue.note_put();
  for (;;) {
    queue_end end = bytes < long_copy ? core.put(parts, 0) : queue_end::busy;
    if (end == queue_end::busy) {
      without_gil others;
      end = core.put(parts, how.block ? std::min(how.until, platform::now() + slice) : platform::now() + patience);
    }
    if (end == queue_end::done) {
      if (wait.waited) core.pass_on_room();
      return true;
    }
    if (end == queue_end::closed) return PyErr_SetString(its.closed, "the queue was closed"), false;
    const std::optional<nanos> until = wait.slice_end(end);
    if (!until) return false;
    if (end == queue_end::later) {
      without_gil others;
      core.wait_for_room(bytes, *until);
    }
    if (!wait.goes_on()) return false;
  }
}

PyObject* put_object(PyObject* self, PyObject* item, const patience_of& how) {
  const std::shared_ptr<shared_queue> queue = open_queue(self, "put");
  if (!queue) return nullptr;
  as_queue(self)->used = true;
  try {
    scratch memory;
    writer& out = memory.out();
    ref definitions;
    if (!encode_value(item, out, its.how, &definitions)) return nullptr;
    bool in = false;
    if (!definitions) {
      const std::array<queue_core::part, 1> parts{out.view()};
      in = put_parts(*queue, parts, how);
    } else {
      const auto n = static_cast<std::uint32_t>(PyBytes_GET_SIZE(definitions.get()));
      std::array<std::byte, 1 + sizeof n> begin{with_definitions};
      std::memcpy(begin.data() + 1, &n, sizeof n);
      const std::array<queue_core::part, 3> parts{
          begin, {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(definitions.get())), n}, out.view()};
      in = put_parts(*queue, parts, how);
    }
    if (!in) return nullptr;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  Py_RETURN_NONE;
}

/// An item's bytes out of the queue: few in place, many on the heap.
class arrival {
 public:
  void take(queue_core::part from) {
    size_ = from.size();
    std::byte* to = few_.data();
    if (size_ > few_.size()) {
      many_ = std::make_unique_for_overwrite<std::byte[]>(size_);
      to = many_.get();
    }
    platform::copy_bytes(to, from);
  }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {many_ ? many_.get() : few_.data(), size_}; }

 private:
  std::array<std::byte, 512> few_;
  std::unique_ptr<std::byte[]> many_;
  std::size_t size_ = 0;
};

PyObject* read_item(std::span<const std::byte> item) {
  if (!item.empty() && item.front() == with_definitions) {
    std::uint32_t n = 0;
    if (item.size() < 1 + sizeof n) return PyErr_SetString(PyExc_ValueError, "damaged record"), nullptr;
    std::memcpy(&n, item.data() + 1, sizeof n);
    item = item.subspan(1 + sizeof n);
    if (n > item.size()) return PyErr_SetString(PyExc_ValueError, "damaged record"), nullptr;
    const ref definitions =
        ref::steal(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(item.data()), static_cast<Py_ssize_t>(n)));
    if (!definitions || !ref::steal(user_call([&] { return PyObject_CallOneArg(its.learn, definitions.get()); }))) {
      return nullptr;
    }
    item = item.subspan(n);
  }
  return decode_value(reader(item));
}

PyObject* get_object(PyObject* self, const patience_of& how) {
  const std::shared_ptr<shared_queue> queue = open_queue(self, "get");
  if (!queue) return nullptr;
  queue_core& core = queue->core();
  try {
    arrival in;
    const auto take = [&](queue_core::part item) { in.take(item); };
    waiting wait(*queue, how, true);
    queue->note_got();
    for (;;) {
      queue_end end = core.get(take, 0, long_copy);
      if (end == queue_end::large || end == queue_end::busy) {
        without_gil others;
        end = core.get(take, how.block ? std::min(how.until, platform::now() + slice) : platform::now() + patience);
      }
      if (end == queue_end::done) break;
      if (end == queue_end::closed) return PyErr_SetString(its.closed, "the queue was closed"), nullptr;
      const std::optional<nanos> until = wait.slice_end(end);
      if (!until) return nullptr;
      if (end == queue_end::later) {
        without_gil others;
        core.wait_for_items(*until);
      }
      if (!wait.goes_on()) return nullptr;
    }
    if (wait.waited) core.pass_on_items();
    return read_item(in.view());
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// ---- the methods

PyObject* put(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
  static constexpr std::array<const char*, 3> names{"obj", "block", "timeout"};
  std::array<PyObject*, 3> given{};
  patience_of how;
  if (!sort_arguments("put", names, args, n, keywords, given)) return nullptr;
  if (given[0] == nullptr) return PyErr_SetString(PyExc_TypeError, "put() needs the object to put"), nullptr;
  if (!read_timeout(given[1], given[2], how)) return nullptr;
  return put_object(self, given[0], how);
}

PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
  static constexpr std::array<const char*, 2> names{"block", "timeout"};
  std::array<PyObject*, 2> given{};
  patience_of how;
  if (!sort_arguments("get", names, args, n, keywords, given) || !read_timeout(given[0], given[1], how)) return nullptr;
  return get_object(self, how);
}

PyObject* put_nowait(PyObject* self, PyObject* item) { return put_object(self, item, {.block = false}); }
PyObject* get_nowait(PyObject* self, PyObject*) { return get_object(self, {.block = false}); }

PyObject* qsize(PyObject* self, PyObject*) {
  const auto queue = open_queue(self, "qsize");
  return queue ? PyLong_FromUnsignedLong(queue->core().size()) : nullptr;
}
PyObject* empty(PyObject* self, PyObject*) {
  if (as_queue(self)->closed && !as_queue(self)->used) Py_RETURN_TRUE;
  const auto queue = open_queue(self, "empty");
  return queue ? PyBool_FromLong(queue->core().size() == 0) : nullptr;
}
PyObject* full(PyObject* self, PyObject*) {
  const auto queue = open_queue(self, "full");
  return queue ? PyBool_FromLong(queue->core().full()) : nullptr;
}

PyObject* close(PyObject* self, PyObject*) {
  queue_object* me = as_queue(self);
  me->closed = true;
  if (!me->queue || me->queue->core().joinable()) Py_RETURN_NONE;  // tasks that were taken may still be done
  const std::shared_ptr<shared_queue> last = std::move(me->queue);
  Py_RETURN_NONE;
}

PyObject* task_done(PyObject* self, PyObject*) {
  const std::shared_ptr<shared_queue> queue = as_queue(self)->queue;
  if (!queue) return open_queue(self, "task_done"), nullptr;
  if (queue->core().members().task_done()) Py_RETURN_NONE;
  PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
  return nullptr;
}

PyObject* join(PyObject* self, PyObject*) {
  const std::shared_ptr<shared_queue> queue = as_queue(self)->queue;
  if (!queue) return open_queue(self, "join"), nullptr;
  share::queue_members& members = queue->core().members();
  try {
    for (nanos look_at = 0; members.unfinished();) {
      std::uint32_t lost = 0;
      {
        without_gil others;
        const nanos now = platform::now();
        if (now >= look_at) {
          lost = members.count_out_lost(now + slice);
          look_at = now + slice;
        }
        if (lost == 0) members.wait_for_done(now + slice);
      }
      if (lost != 0) {
        PyErr_Format(its.owner_died,
                     "%u %s of the queue will not be done: the process that took %s has ended before it called "
                     "task_done()",
                     lost, lost == 1 ? "task" : "tasks", lost == 1 ? "it" : "them");
        return nullptr;
      }
      if (user_call([] { return PyErr_CheckSignals(); }) != 0) return nullptr;
    }
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  Py_RETURN_NONE;
}

/// (maxsize, max_bytes, joinable, ring)
PyObject* make_queue(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  if (n != 4)
    return PyErr_SetString(PyExc_TypeError, "how many items, how many bytes, whether joinable, the ring"), nullptr;
  std::array<unsigned long long, 4> given{};
  for (std::size_t k = 0; k < 4; ++k) {
    given[k] = PyLong_AsUnsignedLongLong(args[k]);
    if (PyErr_Occurred() != nullptr) return nullptr;
  }
  try {
    as_queue(self)->queue = shared_queue::create({static_cast<std::uint32_t>(given[0]), given[1], given[2] != 0},
                                                 static_cast<std::size_t>(given[3]));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* open_handle(PyObject* self, PyObject* bytes) {
  share::handle which;
  if (!PyBytes_CheckExact(bytes) || PyBytes_GET_SIZE(bytes) != sizeof which)
    return PyErr_SetString(PyExc_ValueError, "these bytes are no queue's handle"), nullptr;
  std::memcpy(&which, PyBytes_AS_STRING(bytes), sizeof which);
  try {
    std::shared_ptr<shared_queue> opened;
    {
      without_gil others;
      opened = shared_queue::open(which);
    }
    as_queue(self)->queue = std::move(opened);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* hand_out(PyObject* self, PyObject*) {
  const auto queue = open_queue(self, "pickle");
  if (!queue) return nullptr;
  try {
    const share::handle it = queue->hand_out();
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(&it), sizeof it);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* maxsize(PyObject* self, void*) {
  const std::shared_ptr<shared_queue> queue = as_queue(self)->queue;
  return PyLong_FromUnsignedLong(queue ? queue->core().max_items() : 0);
}
PyObject* is_closed(PyObject* self, void*) { return PyBool_FromLong(as_queue(self)->closed ? 1 : 0); }

PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  new (&as_queue(self)->queue) std::shared_ptr<shared_queue>();
  return self;
}
int init(PyObject*, PyObject*, PyObject*) { return 0; }

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_queue(self)->queue.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

template <class Function>
PyCFunction fast(Function* f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

PyMethodDef methods[] = {
    {"put", fast(put), METH_FASTCALL | METH_KEYWORDS,
     "put($self, obj, block=True, timeout=None)\n--\n\n"
     "Puts an object into the queue; it is there when this returns.\n\n"
     "Waits while the queue is full, at most ``timeout`` seconds; with ``block=False`` not at all.\n\n"
     "Raises:\n    queue.Full: there was no room in time.\n    QueueClosed: it is full, and no other process is left.\n"
     "    ValueError: the queue is closed here.\n    Exception: the object cannot be pickled; nothing was put.\n"},
    {"get", fast(get), METH_FASTCALL | METH_KEYWORDS,
     "get($self, block=True, timeout=None)\n--\n\n"
     "Takes the next object out of the queue.\n\n"
     "Waits while the queue is empty, at most ``timeout`` seconds; with ``block=False`` not at all.\n\n"
     "Raises:\n    queue.Empty: nothing was there in time.\n    QueueClosed: it is empty, and no other process is "
     "left.\n"
     "    ValueError: the queue is closed here.\n"},
    {"put_nowait", put_nowait, METH_O, "put_nowait($self, obj)\n--\n\n``put(obj, block=False)``."},
    {"get_nowait", get_nowait, METH_NOARGS, "get_nowait($self)\n--\n\n``get(block=False)``."},
    {"qsize", qsize, METH_NOARGS,
     "qsize($self)\n--\n\nHow many objects are in the queue: exact at the time of the call."},
    {"empty", empty, METH_NOARGS, "empty($self)\n--\n\nIs nothing in the queue?"},
    {"full", full, METH_NOARGS, "full($self)\n--\n\nAre as many objects in the queue as it takes?"},
    {"close", close, METH_NOARGS,
     "close($self)\n--\n\nThis object takes part no more. What is in the queue stays there for others."},
    {"_task_done", task_done, METH_NOARGS, nullptr},
    {"_join", join, METH_NOARGS, nullptr},
    {"_make", fast(make_queue), METH_FASTCALL, nullptr},
    {"_open", open_handle, METH_O, nullptr},
    {"_hand_out", hand_out, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {{"_maxsize", maxsize, nullptr, nullptr, nullptr},
                            {"_closed", is_closed, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_init, reinterpret_cast<void*>(init)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, properties},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {0, nullptr}};
PyType_Spec spec = {"centimane._core.SharedQueue", sizeof(queue_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                    slots};

/// (Empty, Full, QueueClosed, OwnerDied, rescue, met_main, learn)
PyObject* set_queues(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n != 7) return PyErr_SetString(PyExc_TypeError, "four errors and three functions"), nullptr;
  PyObject *nothing_told = PyDict_New(), *nothing_there = PyDict_New();
  if (nothing_told == nullptr || nothing_there == nullptr) return nullptr;
  for (Py_ssize_t k = 0; k < n; ++k) Py_INCREF(args[k]);
  its = {args[0], args[1], args[2], args[3], args[6], {args[4], args[5], nothing_told, nothing_there}};
  Py_RETURN_NONE;
}
PyMethodDef set_queues_method = {"set_queues", fast(set_queues), METH_FASTCALL, nullptr};

}  // namespace

bool add_shared_queue(PyObject* module) {
  const ref type = ref::steal(PyType_FromSpec(&spec));
  const ref function = ref::steal(PyCFunction_New(&set_queues_method, nullptr));
  return type && function && PyModule_AddObjectRef(module, "SharedQueue", type.get()) == 0 &&
         PyModule_AddObjectRef(module, "set_queues", function.get()) == 0;
}

}  // namespace centimane::python
