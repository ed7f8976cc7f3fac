// The parts of cpu_count() that can be told apart: what the environment orders, what the affinity allows, what all of
// them make.
#pragma once
#include <cstddef>

#include "platform/cgroup.hpp"

namespace centimane::platform {

/// The number in CENTIMANE_CPU_COUNT: a whole number from 1 on; anything else (0, empty, words) is as if it were not
/// set.
std::size_t parse_override(const char* text) noexcept;
/// Processors that this process may run on, at least 1.
std::size_t affinity_count() noexcept;
/// min(affinity, quota rounded up), at least 1; `ordered`, if not 0, replaces both.
std::size_t combine(std::size_t ordered, std::size_t affinity, quota limit) noexcept;

}  // namespace centimane::platform
