// How much of what is scarce this process may still have.
#pragma once
#include <cstdint>

namespace centimane::platform {

/// Descriptors that can still be opened under the soft limit. UINT64_MAX if it cannot be told.
std::uint64_t free_descriptors() noexcept;

}  // namespace centimane::platform
