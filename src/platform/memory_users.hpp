// Who has a piece of memory, and who could be using it: the kernel's own books, for questions that are asked once.
#pragma once
#include "platform/memory_of.hpp"

namespace centimane::platform {

/// Does a living process other than this one map that file? Of those that this user may look at. Reads the map of every
/// process: some 50 µs each.
bool mapped_elsewhere(const file_identity& file) noexcept;

/// Has this process more threads than the caller? False where /proc does not tell.
bool has_other_threads() noexcept;

}  // namespace centimane::platform
