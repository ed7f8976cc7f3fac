// Nameless memory behind a descriptor, for mappings that two processes share. Sealed, so that nobody can cut it off
// under a mapping (a truncated mapping is a SIGBUS). Where memfd_create is refused (EPERM from a sandbox, ENOSYS from
// an old kernel), an unlinked file in TMPDIR takes its place: same behaviour, no seals.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/fd.hpp"

namespace centimane::platform {

/// A descriptor of `size` zero bytes, close-on-exec. Pages come as they are touched. Throws std::system_error.
fd make_memory(const char* name, std::size_t size);

/// Fixes the size for good and forbids further seals. What the kernel does not know or refuses is left out.
void seal_size(int memory) noexcept;

/// The same, and no mapping made from now on can be written (existing ones can). Answers the descriptor to hand out:
/// the same one, or, where the kernel has no such seal, a read-only one of the same memory.
fd seal_for_readers(fd memory);

/// A descriptor of the same memory by which it can be read and mapped with access::copy, but not be written. Where
/// there is no /proc it is a plain copy. Throws std::system_error.
fd readable_only(int memory);

/// Writes without a mapping: half the price of touching fresh pages. Throws std::system_error.
void write_memory(int memory, std::uint64_t offset, std::span<const std::byte> from);

}  // namespace centimane::platform
