// How often the kernel's out-of-memory killer struck in our memory cgroup: told from worker deaths by SIGKILL.
#pragma once
#include <cstdint>

namespace centimane::platform {

/// A count that only grows; 0 where the kernel does not tell (no cgroup, no /proc). Reads two small files.
std::uint64_t oom_kills() noexcept;

}  // namespace centimane::platform
