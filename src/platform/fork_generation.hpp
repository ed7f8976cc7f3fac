// Tells a process from its copies: a number that grows with each fork of this process, seen in the child only. What
// belongs to an older generation (threads, pools) does not exist here, whatever memory says.
#pragma once
#include <cstdint>

namespace centimane::platform {

/// One load. Never 0.
std::uint32_t fork_generation() noexcept;

}  // namespace centimane::platform
