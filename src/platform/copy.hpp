// Copies of many megabytes.
#pragma once
#include <cstddef>
#include <span>

namespace centimane::platform {

/// As memcpy. From 16 MiB on a second thread copies one half, where the process has a second processor: one processor
/// alone does not use what the memory gives. The thread takes no signals and is gone on return; if none can be had the
/// caller copies all.
void copy_bytes(std::byte* to, std::span<const std::byte> from) noexcept;

}  // namespace centimane::platform
