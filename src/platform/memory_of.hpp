// Memory without a name, opened out of the hands of another process of this user.
#pragma once
#include <cstdint>

#include "platform/fd.hpp"

namespace centimane::platform {

/// What tells one file from another.
struct file_identity {
  std::uint64_t device = 0, inode = 0;
  friend constexpr bool operator==(const file_identity&, const file_identity&) noexcept = default;
};
/// Of an open file; zeros if the descriptor is none.
file_identity identify(int file) noexcept;

/// The memory that process `pid` has open under `number`, to be read and written; none if that is not `wanted`, or if
/// it cannot be had (no such process, no right to look into it, no /proc): errno says why.
fd memory_of(std::int32_t pid, int number, const file_identity& wanted) noexcept;

/// The same under whatever number that process has it: all its descriptors are looked at.
fd memory_of(std::int32_t pid, const file_identity& wanted) noexcept;

/// Can nobody make it smaller? Else a look into it may end in SIGBUS. True as well for a file that stands in where the
/// system has no memfds: it has no name, and only its holders reach it.
bool keeps_its_size(int memory) noexcept;

}  // namespace centimane::platform
