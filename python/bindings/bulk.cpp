// See bulk.hpp.
#include "bulk.hpp"

#include <cstring>
#include <optional>
#include <stdexcept>
#include <vector>

#include "block_view.hpp"
#include "codec.hpp"

namespace centimane::python {
namespace {

/// Smaller buffers stay in the pickle: they cost less there.
constexpr Py_ssize_t least_buffer = 4096;
/// A copy of that size takes long enough for other threads to run meanwhile.
constexpr std::size_t long_copy = 1024 * 1024;

PyObject* dumps = nullptr;  // for the life of the process
PyObject* loads = nullptr;
PyObject* protocol = nullptr;
PyObject* dumps_names = nullptr;     // ("buffer_callback",)
PyObject* loads_names = nullptr;     // ("buffers",)
PyTypeObject* array_type = nullptr;  // array.array, once it was seen

/// What pickling large values has taught: the type of the last one, and whether it had buffers. Types are compared,
/// never looked into.
PyTypeObject* last_large = nullptr;
bool last_had_buffers = false;

/// The buffer callback; self is the list that it adds to. True: this one stays in the pickle.
PyObject* take_buffer(PyObject* list, PyObject* buffer) {
  const Py_buffer* view = PyPickleBuffer_GetBuffer(buffer);
  if (view == nullptr) return nullptr;
  if (view->len < least_buffer || PyBuffer_IsContiguous(view, 'A') == 0) Py_RETURN_TRUE;
  if (PyList_Append(list, buffer) != 0) return nullptr;
  Py_RETURN_FALSE;
}
PyMethodDef take_buffer_method = {"take_buffer", take_buffer, METH_O, nullptr};

void put_tag(writer& out, char tag) { *out.extend(1) = static_cast<std::byte>(tag); }

annex::part bytes_of(PyObject* bytes) {
  return {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(bytes)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

/// array.array where its module has been loaded: nobody has such a value otherwise.
bool is_array(PyObject* value) {
  if (array_type == nullptr) {
    if (std::strcmp(Py_TYPE(value)->tp_name, "array.array") != 0) return false;
    ref module = ref::steal(PyImport_ImportModule("array"));
    ref found = module ? ref::steal(PyObject_GetAttrString(module.get(), "array")) : ref();
    if (!found || PyType_Check(found.get()) == 0) return PyErr_Clear(), false;
    array_type = reinterpret_cast<PyTypeObject*>(found.release());
  }
  return Py_TYPE(value) == array_type;
}

/// Ends a view of a buffer.
struct view_end {
  Py_buffer* view;
  ~view_end() { PyBuffer_Release(view); }
};

std::size_t read_count(reader& in) {
  if (in.remaining() < sizeof(std::uint64_t)) {
    PyErr_SetString(PyExc_ValueError, "damaged record: it ends too early");
    throw raised{};
  }
  return static_cast<std::size_t>(in.raw<std::uint64_t>());
}

ref checked(PyObject* made) {
  if (made == nullptr) throw raised{};
  return ref::steal(made);
}

}  // namespace

bool may_have_buffers(PyObject* value) {
  if (PyObject_CheckBuffer(value) != 0) {
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_STRIDES) != 0) return PyErr_Clear(), false;
    const view_end end{&view};
    return view.len >= static_cast<Py_ssize_t>(apart_from);
  }
  return Py_TYPE(value) == last_large && last_had_buffers;
}

bool worth_another_try(PyObject* value) { return Py_TYPE(value) != last_large || last_had_buffers; }

pickled_apart pickle_apart(PyObject* value) {
  pickled_apart made;
  made.buffers = ref::steal(PyList_New(0));
  ref callback = made.buffers ? ref::steal(PyCFunction_New(&take_buffer_method, made.buffers.get())) : ref();
  if (!callback) return {};
  PyObject* arguments[] = {value, protocol, callback.get()};
  made.pickle = ref::steal(user_call([&] { return PyObject_Vectorcall(dumps, arguments, 2, dumps_names); }));
  if (!made.pickle) return {};
  std::size_t total = 0;
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(made.buffers.get()); ++k) {
    const Py_buffer* view = PyPickleBuffer_GetBuffer(PyList_GET_ITEM(made.buffers.get(), k));
    total += view == nullptr ? 0 : static_cast<std::size_t>(view->len);
  }
  last_large = Py_TYPE(value);
  last_had_buffers = total >= apart_from;
  if (last_had_buffers) return made;
  if (PyList_GET_SIZE(made.buffers.get()) > 0) made.pickle = pickle_dumps(value);  // all of it in the pickle
  made.buffers = ref();
  return made;
}

void put_bulk(writer& out, const void* from, std::size_t n) {
  std::optional<without_gil> others;
  if (n >= long_copy) others.emplace();
  out.bulk(from, n);
}

void write_apart(const pickled_apart& what, writer& out) {
  const annex::part pickle = bytes_of(what.pickle.get());
  const Py_ssize_t count = what.buffers ? PyList_GET_SIZE(what.buffers.get()) : 0;
  if (count > 0) {
    std::vector<annex::part> parts;
    std::size_t total = 0;
    if (pickle.size() >= bulk_from) parts.push_back(pickle);
    for (Py_ssize_t k = 0; k < count; ++k) {
      const Py_buffer* view = PyPickleBuffer_GetBuffer(PyList_GET_ITEM(what.buffers.get(), k));
      if (view == nullptr) throw raised{};
      parts.emplace_back(static_cast<const std::byte*>(view->buf), static_cast<std::size_t>(view->len));
      total += static_cast<std::size_t>(view->len);
    }
    std::uint32_t number = annex::none;
    {
      std::optional<without_gil> others;
      if (total >= long_copy) others.emplace();
      number = out.beside()->put(parts);
    }
    if (number == annex::none) throw std::length_error("centimane: too many large values in one record");
    put_tag(out, 'O');
    out.raw(number);
    out.raw(static_cast<std::uint64_t>(pickle.size()));
    out.raw(static_cast<std::uint64_t>(count));
    for (const annex::part& p : std::span(parts).subspan(parts.size() - static_cast<std::size_t>(count))) {
      out.raw(static_cast<std::uint64_t>(p.size()));
    }
    if (pickle.size() < bulk_from) out.bytes(pickle.data(), pickle.size());
    return;
  }
  put_tag(out, 'Q');
  out.raw(static_cast<std::uint64_t>(pickle.size()));
  put_bulk(out, pickle.data(), pickle.size());
}

ref read_apart(reader& in) {
  const auto number = in.raw<std::uint32_t>();
  const std::size_t length = read_count(in), count = read_count(in);
  const annexed& block = in.beside(number);
  if (count > in.remaining() / sizeof(std::uint64_t)) {
    PyErr_SetString(PyExc_ValueError, "damaged record: more buffers than it has room for");
    throw raised{};
  }
  std::size_t at = 0;
  const auto piece = [&](std::uint64_t n) {
    at = annex::aligned(at);
    if (at > block.size || n > block.size - at) {
      PyErr_SetString(PyExc_ValueError, "damaged record: a buffer ends behind its block");
      throw raised{};
    }
    return block.data + std::exchange(at, at + static_cast<std::size_t>(n));
  };
  std::span<const std::byte> pickle;
  if (length >= bulk_from) pickle = {piece(length), length};
  ref buffers = checked(PyTuple_New(static_cast<Py_ssize_t>(count)));
  for (std::size_t k = 0; k < count; ++k) {
    const auto n = in.raw<std::uint64_t>();
    std::byte* from = piece(n);
    PyTuple_SET_ITEM(buffers.get(), static_cast<Py_ssize_t>(k),
                     make_block_view(from, static_cast<std::size_t>(n), block.hold).release());
    if (PyTuple_GET_ITEM(buffers.get(), static_cast<Py_ssize_t>(k)) == nullptr) throw raised{};
  }
  if (length < bulk_from) pickle = {in.bytes(length), length};
  ref holder = checked(PyMemoryView_FromMemory(reinterpret_cast<char*>(const_cast<std::byte*>(pickle.data())),
                                               static_cast<Py_ssize_t>(length), PyBUF_READ));
  PyObject* arguments[] = {holder.get(), buffers.get()};
  return checked(user_call([&] { return PyObject_Vectorcall(loads, arguments, 1, loads_names); }));
}

// ---- owners

bool write_large_owner(PyObject* value, writer& out) {
  if (PyByteArray_CheckExact(value)) {
    const auto n = static_cast<std::size_t>(PyByteArray_GET_SIZE(value));
    if (n < apart_from) return false;
  } else if (!is_array(value)) {
    return false;
  }
  Py_buffer view;
  if (PyObject_GetBuffer(value, &view, PyBUF_FORMAT) != 0) throw raised{};
  const view_end end{&view};
  const auto n = static_cast<std::size_t>(view.len);
  if (n < apart_from) return false;
  if (PyByteArray_CheckExact(value)) {
    put_tag(out, 'A');
  } else {
    ref code = checked(PyObject_GetAttrString(value, "typecode"));
    put_tag(out, 'R');
    out.raw(static_cast<std::uint32_t>(PyUnicode_READ_CHAR(code.get(), 0)));
  }
  out.raw(static_cast<std::uint64_t>(n));
  put_bulk(out, view.buf, n);
  return true;
}

ref read_bytearray(reader& in) {
  const std::size_t n = read_count(in);
  return checked(
      PyByteArray_FromStringAndSize(reinterpret_cast<const char*>(in.bulk(n).data), static_cast<Py_ssize_t>(n)));
}

ref read_array(reader& in) {
  const auto code = in.raw<std::uint32_t>();
  const std::size_t n = read_count(in);
  const auto* from = reinterpret_cast<const char*>(in.bulk(n).data);
  ref module = checked(PyImport_ImportModule("array"));
  ref made = checked(PyObject_CallMethod(module.get(), "array", "C", static_cast<int>(code)));
  ref view = checked(PyMemoryView_FromMemory(const_cast<char*>(from), static_cast<Py_ssize_t>(n), PyBUF_READ));
  checked(PyObject_CallMethod(made.get(), "frombytes", "O", view.get()));
  return made;
}

void write_large_text(PyObject* value, writer& out) {
  const bool ascii = PyUnicode_IS_COMPACT_ASCII(value) != 0;
  const int kind = ascii ? 0 : static_cast<int>(PyUnicode_KIND(value));
  const std::size_t n =
      static_cast<std::size_t>(PyUnicode_GET_LENGTH(value)) * static_cast<std::size_t>(ascii ? 1 : kind);
  put_tag(out, 'S');
  out.raw(static_cast<std::uint8_t>(kind));
  out.raw(static_cast<std::uint64_t>(n));
  put_bulk(out, PyUnicode_DATA(value), n);
}

ref read_large_text(reader& in) {
  const auto kind = in.raw<std::uint8_t>();
  const std::size_t n = read_count(in);
  const std::byte* from = in.bulk(n).data;
  if (kind == 0) {
    ref made = checked(PyUnicode_New(static_cast<Py_ssize_t>(n), 127));
    std::memcpy(PyUnicode_DATA(made.get()), from, n);
    return made;
  }
  if ((kind != 1 && kind != 2 && kind != 4) || n % kind != 0) {
    PyErr_SetString(PyExc_ValueError, "damaged record: not a text");
    throw raised{};
  }
  return checked(PyUnicode_FromKindAndData(kind, from, static_cast<Py_ssize_t>(n / kind)));
}

bool prepare_bulk() {
  ref module = ref::steal(PyImport_ImportModule("_pickle"));
  if (!module || !prepare_block_view()) return false;
  dumps = PyObject_GetAttrString(module.get(), "dumps");
  loads = PyObject_GetAttrString(module.get(), "loads");
  protocol = PyLong_FromLong(5);
  dumps_names = Py_BuildValue("(s)", "buffer_callback");
  loads_names = Py_BuildValue("(s)", "buffers");
  return dumps != nullptr && loads != nullptr && protocol != nullptr && dumps_names != nullptr &&
         loads_names != nullptr;
}

}  // namespace centimane::python
