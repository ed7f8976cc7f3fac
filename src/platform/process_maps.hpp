// Looks into another process's address space from outside.
#pragma once
#include <cstdint>

namespace centimane::platform {

/// Does that process map a file whose name holds `name`? Tells a program that has only closed its descriptors from one
/// that was replaced by exec. False where /proc does not tell.
bool maps_file(std::int64_t pid, const char* name) noexcept;

}  // namespace centimane::platform
