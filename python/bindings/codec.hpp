// Python values as bytes. One tag, then the value: scalars, strings, bytes and flat tuples of them are written by hand,
// at a tenth of what pickling them costs; everything else is a pickle. Exact types only: a subclass of int is not an
// int here.
//
//   N None   T True   F False   j int8   i int64   d double   s u32 length, UTF-8   b u64 length, bytes
//   t u8 count, elements   P a pickle, to the end
//
// What is large travels beside the record where it has an annex (bulk.hpp):
//
//   S u8 kind, u64 length, str   A u64 length, bytearray   R u32 type code, u64 length, array.array
//   Q u64 length, a pickle       O u32 block, u64 length of the pickle, u64 count, u64 × count lengths of buffers,
//   pickle
//
// Promises: decode(encode(x)) has the type and the value of x; a damaged record raises, it never reads outside its
// bytes. Needs the GIL.
#pragma once
#include "centimane/bytes.hpp"
#include "object.hpp"

namespace centimane::python {

/// What to call when plain pickle is not enough. Borrowed references; null where there is nothing to call.
struct pickling {
  PyObject* rescue = nullptr;  ///< rescue(value, error) -> bytes: pickle refused. Raises if there is no way
  /// met_main(value) -> bytes | None: the pickle names something of __main__; a definition that workers lack, if any.
  PyObject* met_main = nullptr;
  PyObject *told = nullptr, *main = nullptr;  ///< dicts: what workers have been told of __main__, and what is there now
};

/// Appends `value`. False: the error indicator is set, nothing was appended. What a worker must be told before, if
/// anything, goes to `before`. A pickle that belongs beside a record goes to `large`, if there is one, and nothing is
/// appended: encode_pickled() does it later, without pickling again.
bool encode_value(PyObject* value, writer& out, const pickling& how, ref* before = nullptr, ref* large = nullptr);
bool encode_pickled(PyObject* large, writer& out);

/// Appends what encode_value would for an int of that value.
void encode_number(long long value, writer& out);

/// The value, or null with the error indicator set. Takes all of `in`.
PyObject* decode_value(reader in);

/// Plain pickle of `value` as bytes, or nothing with the error indicator set.
ref pickle_dumps(PyObject* value);
/// What the pickle says, or nothing with the error indicator set.
ref pickle_loads(std::span<const std::byte> bytes);

/// Looks up pickle's C functions. False: the error indicator is set.
bool prepare_codec();

}  // namespace centimane::python
