// What is large in a Python value: pickled out of band (protocol 5), so that the bytes of arrays go into shared memory
// in one copy and are looked into where they lie. See codec.hpp for the records. Needs the GIL; gives it away while
// much is copied.
#pragma once
#include "centimane/bytes.hpp"
#include "object.hpp"

namespace centimane::python {

/// Writes runs of this size and more beside the record.
inline constexpr std::size_t apart_from = bulk_from;

/// Is it worth asking for buffers when this value is pickled? It is a large array, or the last value of its type that
/// was large had buffers.
bool may_have_buffers(PyObject* value);
/// The value's plain pickle came out large: is it worth pickling it again, out of band?
bool worth_another_try(PyObject* value);
/// The pickle of `value` and its large buffers; nothing with the error indicator set.
struct pickled_apart {
  ref pickle, buffers;
};
pickled_apart pickle_apart(PyObject* value);
/// Writes `O` or `Q` for what pickle_apart has made, or for a pickle alone. Throws what annex::put throws.
void write_apart(const pickled_apart& what, writer& out);
/// Reads what lies behind the tag `O`. Throws raised.
ref read_apart(reader& in);

/// Copies a long run beside the record (or into it), without the GIL if it is very long.
void put_bulk(writer& out, const void* from, std::size_t n);

/// Values that own their memory and are large: `A` bytearray, `R` array.array, `S` str. False: it is none of these.
bool write_large_owner(PyObject* value, writer& out);
void write_large_text(PyObject* value, writer& out);
ref read_bytearray(reader& in);
ref read_array(reader& in);
ref read_large_text(reader& in);

/// Readies the type of objects that look into blocks. False: the error indicator is set.
bool prepare_bulk();

}  // namespace centimane::python
