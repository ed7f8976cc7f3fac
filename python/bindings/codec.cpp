// See codec.hpp.
#include "codec.hpp"

#include <algorithm>
#include <cstring>

#include "bulk.hpp"
#include "pickle_names.hpp"
#include "run.hpp"

namespace centimane::python {
namespace {

PyObject* dumps_function = nullptr;  // for the life of the process
PyObject* loads_function = nullptr;
PyObject* protocol = nullptr;

constexpr int deepest_tuple = 4;
constexpr Py_ssize_t longest_text = 64 * 1024;
/// Below this a copy into a bytes object is cheaper than a memoryview.
constexpr std::size_t copied_below = 16 * 1024;
constexpr char main_name[] = "__main__";

void put(writer& out, char tag) { *out.extend(1) = static_cast<std::byte>(tag); }

template <class T>
void put(writer& out, char tag, T value) {
  std::byte* at = out.extend(1 + sizeof(T));
  *at = static_cast<std::byte>(tag);
  std::memcpy(at + 1, &value, sizeof(T));
}

void put_text(writer& out, const char* text, Py_ssize_t length) {
  std::byte* at = out.extend(5 + static_cast<std::size_t>(length));
  *at = static_cast<std::byte>('s');
  std::uint32_t n = static_cast<std::uint32_t>(length);
  std::memcpy(at + 1, &n, sizeof n);
  std::memcpy(at + 5, text, n);
}

enum class written : std::uint8_t { yes, not_plain };

written write_text(PyObject* value, writer& out) {
  if (PyUnicode_IS_COMPACT_ASCII(value)) {
    Py_ssize_t n = PyUnicode_GET_LENGTH(value);
    if (n > longest_text) return write_large_text(value, out), written::yes;
    put_text(out, static_cast<const char*>(PyUnicode_DATA(value)), n);
    return written::yes;
  }
  if (PyUnicode_GET_LENGTH(value) > longest_text / 4) return write_large_text(value, out), written::yes;
  // Not AsUTF8AndSize: it would leave a second copy inside the user's string.
  ref encoded = ref::steal(PyUnicode_AsUTF8String(value));
  if (!encoded) {  // lone surrogates: pickle has a way for them
    PyErr_Clear();
    return written::not_plain;
  }
  put_text(out, PyBytes_AS_STRING(encoded.get()), PyBytes_GET_SIZE(encoded.get()));
  return written::yes;
}

/// Writes what has a tag of its own. not_plain: `out` may hold a beginning, which the caller cuts off.
written write_plain(PyObject* value, writer& out, int depth) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyLong_Type) {
    int overflow = 0;
    long long n = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) return written::not_plain;
    return encode_number(n, out), written::yes;
  }
  if (type == &PyFloat_Type) {
    put(out, 'd', PyFloat_AS_DOUBLE(value));
    return written::yes;
  }
  if (type == &PyUnicode_Type) return write_text(value, out);
  if (value == Py_None) return put(out, 'N'), written::yes;
  if (value == Py_True) return put(out, 'T'), written::yes;
  if (value == Py_False) return put(out, 'F'), written::yes;
  if (type == &PyBytes_Type) {
    put(out, 'b', static_cast<std::uint64_t>(PyBytes_GET_SIZE(value)));
    put_bulk(out, PyBytes_AS_STRING(value), static_cast<std::size_t>(PyBytes_GET_SIZE(value)));
    return written::yes;
  }
  if (type == &PyTuple_Type && depth < deepest_tuple) {
    Py_ssize_t n = PyTuple_GET_SIZE(value);
    if (n > UINT8_MAX) return written::not_plain;
    put(out, 't', static_cast<std::uint8_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (write_plain(PyTuple_GET_ITEM(value, i), out, depth + 1) != written::yes) return written::not_plain;
    }
    return written::yes;
  }
  return written::not_plain;
}

[[noreturn]] void damaged(const char* what) {
  PyErr_Format(PyExc_ValueError, "damaged record: %s", what);
  throw raised{};
}

const std::byte* take(reader& in, std::size_t n) {
  if (in.remaining() < n) damaged("it ends too early");
  return in.bytes(n);
}

template <class T>
T take(reader& in) {
  T value;
  std::memcpy(&value, take(in, sizeof(T)), sizeof(T));
  return value;
}

ref checked(PyObject* made) {
  if (made == nullptr) throw raised{};
  return ref::steal(made);
}

ref read(reader& in, int depth) {
  switch (static_cast<char>(take<std::uint8_t>(in))) {
    case 'j':
      return checked(PyLong_FromLong(take<std::int8_t>(in)));
    case 'i':
      return checked(PyLong_FromLongLong(take<std::int64_t>(in)));
    case 'd':
      return checked(PyFloat_FromDouble(take<double>(in)));
    case 's': {
      std::uint32_t n = take<std::uint32_t>(in);
      return checked(
          PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(take(in, n)), static_cast<Py_ssize_t>(n), nullptr));
    }
    case 'N':
      return ref::borrow(Py_None);
    case 'T':
      return ref::borrow(Py_True);
    case 'F':
      return ref::borrow(Py_False);
    case 'b': {
      std::uint64_t n = take<std::uint64_t>(in);
      if (n < bulk_from && n > in.remaining()) damaged("bytes longer than the record");
      return checked(
          PyBytes_FromStringAndSize(reinterpret_cast<const char*>(in.bulk(n).data), static_cast<Py_ssize_t>(n)));
    }
    case 't': {
      if (depth >= deepest_tuple) damaged("tuples too deep");
      std::uint8_t n = take<std::uint8_t>(in);
      ref tuple = checked(PyTuple_New(n));
      for (std::uint8_t i = 0; i < n; ++i) PyTuple_SET_ITEM(tuple.get(), i, read(in, depth + 1).release());
      return tuple;
    }
    case 'P': {
      if (depth > 0) damaged("a pickle inside a tuple");
      auto bytes = in.rest();
      take(in, bytes.size());
      ref value = pickle_loads(bytes);
      if (!value) throw raised{};
      return value;
    }
    case 'S':
      return read_large_text(in);
    case 'A':
      return read_bytearray(in);
    case 'R':
      return read_array(in);
    case 'O':
      if (depth > 0) damaged("a pickle inside a tuple");
      return read_apart(in);
    case 'Q': {
      if (depth > 0) damaged("a pickle inside a tuple");
      std::uint64_t n = take<std::uint64_t>(in);
      ref value = pickle_loads({in.bulk(n).data, n});
      if (!value) throw raised{};
      return value;
    }
    default:
      damaged("unknown tag");
  }
}

/// Pickles `value` into `made`, out of band where that pays. False: the error indicator is set.
bool pickle_value(PyObject* value, const writer& out, const pickling& how, pickled_apart& made) {
  const bool may_go_apart = out.beside() != nullptr;
  if (may_go_apart && may_have_buffers(value)) {
    made = pickle_apart(value);
  } else {
    made.pickle = pickle_dumps(value);
    if (may_go_apart && made.pickle && PyBytes_GET_SIZE(made.pickle.get()) >= static_cast<Py_ssize_t>(apart_from) &&
        worth_another_try(value)) {
      made = pickle_apart(value);
    }
  }
  if (made.pickle) return true;
  if (how.rescue == nullptr) return false;
  ref error = take_error();
  // The process's own distress is no matter of what can be pickled.
  if (PyErr_GivenExceptionMatches(error.get(), PyExc_Exception) == 0) return put_error_back(std::move(error)), false;
  made.buffers = ref();
  made.pickle =
      ref::steal(user_call([&] { return PyObject_CallFunctionObjArgs(how.rescue, value, error.get(), nullptr); }));
  if (!made.pickle) return false;
  if (!PyBytes_CheckExact(made.pickle.get()))
    return PyErr_SetString(PyExc_TypeError, "rescue() must return bytes"), false;
  return true;
}

}  // namespace

ref pickle_dumps(PyObject* value) {
  PyObject* arguments[] = {value, protocol};
  return ref::steal(user_call([&] { return PyObject_Vectorcall(dumps_function, arguments, 2, nullptr); }));
}

ref pickle_loads(std::span<const std::byte> bytes) {
  const char* at = reinterpret_cast<const char*>(bytes.data());
  Py_ssize_t n = static_cast<Py_ssize_t>(bytes.size());
  ref holder = ref::steal(bytes.size() < copied_below ? PyBytes_FromStringAndSize(at, n)
                                                      : PyMemoryView_FromMemory(const_cast<char*>(at), n, PyBUF_READ));
  if (!holder) return {};
  PyObject* arguments[] = {holder.get()};
  return ref::steal(user_call([&] { return PyObject_Vectorcall(loads_function, arguments, 1, nullptr); }));
}

void encode_number(long long value, writer& out) {
  if (value >= INT8_MIN && value <= INT8_MAX) {
    put(out, 'j', static_cast<std::int8_t>(value));
  } else {
    put(out, 'i', static_cast<std::int64_t>(value));
  }
}

namespace {

/// Has what the pickle names of __main__ been told to workers already, as it is there now?
bool all_told(std::span<const std::byte> pickle, const pickling& how) {
  static thread_local main_names_in found;
  if (!found.read(pickle)) return false;
  return std::all_of(found.names().begin(), found.names().end(), [&](std::string_view name) {
    const ref key = ref::steal(PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr));
    if (!key) return PyErr_Clear(), false;
    PyObject* told = PyDict_GetItemWithError(how.told, key.get());
    PyObject* now = told == nullptr ? nullptr : PyDict_GetItemWithError(how.main, key.get());
    if (PyErr_Occurred() != nullptr) PyErr_Clear();
    return told != nullptr && told == now;
  });
}

}  // namespace

bool encode_value(PyObject* value, writer& out, const pickling& how, ref* before, ref* large) {
  const std::size_t begin = out.size();
  try {
    if (write_plain(value, out, 0) == written::yes) return true;
    out.truncate(begin);
    if (write_large_owner(value, out)) return true;
    pickled_apart made;
    if (!pickle_value(value, out, how, made)) return false;
    const char* at = PyBytes_AS_STRING(made.pickle.get());
    const std::size_t n = static_cast<std::size_t>(PyBytes_GET_SIZE(made.pickle.get()));
    if (before != nullptr && how.met_main != nullptr && memmem(at, n, main_name, sizeof main_name - 1) != nullptr &&
        !all_told({reinterpret_cast<const std::byte*>(at), n}, how)) {
      ref definitions = ref::steal(user_call([&] { return PyObject_CallOneArg(how.met_main, value); }));
      if (!definitions) return false;
      if (definitions.get() != Py_None) {
        if (!PyBytes_CheckExact(definitions.get()))
          return PyErr_SetString(PyExc_TypeError, "met_main() must return bytes or None"), false;
        *before = std::move(definitions);
      }
    }
    if (large != nullptr && (made.buffers || n >= bulk_from)) {
      *large = ref::steal(PyTuple_Pack(2, made.pickle.get(), made.buffers ? made.buffers.get() : Py_None));
      return static_cast<bool>(*large);
    }
    if (made.buffers || n >= bulk_from) {
      write_apart(made, out);
    } else {
      put(out, 'P');
      out.bytes(at, n);
    }
    return true;
  } catch (...) {
    translate_exception();
    out.truncate(begin);
    return false;
  }
}

bool encode_pickled(PyObject* large, writer& out) {
  const std::size_t begin = out.size();
  try {
    write_apart({ref::borrow(PyTuple_GET_ITEM(large, 0)), ref::unless_none(PyTuple_GET_ITEM(large, 1))}, out);
    return true;
  } catch (...) {
    translate_exception();
    out.truncate(begin);
    return false;
  }
}

PyObject* decode_value(reader in) {
  try {
    ref value = read(in, 0);
    if (in.remaining() != 0) damaged("bytes behind its end");
    return value.release();
  } catch (const raised&) {
    return nullptr;
  } catch (const std::exception& e) {
    PyErr_Format(PyExc_ValueError, "damaged record: %s", e.what());
    return nullptr;
  }
}

bool prepare_codec() {
  ref module = ref::steal(PyImport_ImportModule("_pickle"));
  if (!module) return false;
  dumps_function = PyObject_GetAttrString(module.get(), "dumps");
  loads_function = PyObject_GetAttrString(module.get(), "loads");
  protocol = PyLong_FromLong(5);
  return dumps_function != nullptr && loads_function != nullptr && protocol != nullptr && prepare_bulk();
}

}  // namespace centimane::python
