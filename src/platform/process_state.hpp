// What another process is about, as the scheduler sees it.
#pragma once
#include <cstdint>

namespace centimane::platform {

/// Is that process running, or would it be if a processor were free? False of one that sleeps, is stopped or is gone,
/// and where /proc does not tell.
bool wants_processor(std::int64_t pid) noexcept;

}  // namespace centimane::platform
