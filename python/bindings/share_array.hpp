// centimane._core.SharedBlock: memory that processes share, exported by the buffer protocol with shape and format. What
// a SharedArray is made of; Python gives it a name, a dtype and an index.
#pragma once
#include <cstdint>
#include "object.hpp"

namespace centimane::python {

bool add_shared_block(PyObject* module);
/// What travels as a handle weighs as much as that.
bool is_shared_block(PyObject* object) noexcept;
inline constexpr std::uint64_t shared_block_weight = 256;

}  // namespace centimane::python
