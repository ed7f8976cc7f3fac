// Looks into another process's address space from outside.
#pragma once
#include <cstdint>

namespace centimane::platform {

enum class mapped : std::uint8_t {
  yes,
  no,      ///< or /proc does not tell
  ending,  ///< it has no address space any more: it is on its way out, or a zombie
};

/// Does that process map a file whose name holds `name`? Tells a program that has only closed its descriptors from one
/// that was replaced by exec, and both from one that is ending.
mapped maps_file(std::int64_t pid, const char* name) noexcept;

}  // namespace centimane::platform
