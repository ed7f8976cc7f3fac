// Memory for arrays of values. Large arrays ask the system for huge pages: a fresh array's first touch then costs one
// page fault in 2 MiB instead of 512, which for tiny items is most of a map's time.
#pragma once
#include <cstddef>

namespace centimane {
inline namespace v0 {
namespace detail {

/// Throws std::bad_alloc. From 4 MiB on aligned to, and rounded up to, 2 MiB.
[[nodiscard]] void* allocate_values(std::size_t bytes, std::size_t alignment);
/// With the same numbers.
void free_values(void* at, std::size_t bytes, std::size_t alignment) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace centimane
