// How many hands this process may use: the default number of workers everywhere in centimane.
//
//   std::size_t n = cm::cpu_count();       // at least 1
//
// The least of the processors that the process may run on (affinity) and the CPU quotas of its control groups (v1 and
// v2, its own and those above it, rounded up); std::thread::hardware_concurrency knows neither in a container.
// CENTIMANE_CPU_COUNT in the environment or set_cpu_count replaces what is measured.
//
// Performance: about a microsecond; quotas are read again at most once a second. Thread safety: all functions, any
// thread.
#pragma once
#include <cstddef>

namespace centimane {
inline namespace v0 {

/// At least 1.
std::size_t cpu_count();
/// From now on cpu_count() answers n; 0 goes back to what the environment says or the system tells.
void set_cpu_count(std::size_t n) noexcept;

}  // namespace v0
}  // namespace centimane
