// A Python object that exports a piece of shared memory by the buffer protocol, and keeps it for as long as anything
// looks into it: an array that was unpickled out of band, a memoryview of that array.
#pragma once
#include <memory>

#include "object.hpp"

namespace centimane::python {

/// Writable bytes [at, at + size), kept by `hold`. Nothing with the error indicator set.
ref make_block_view(std::byte* at, std::size_t size, std::shared_ptr<const void> hold);
/// False: the error indicator is set.
bool prepare_block_view();

}  // namespace centimane::python
