// The lower half of a 64-bit word that stands in shared memory: a futex is 32 bits wide. A leaf.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>

namespace centimane::share {

static_assert(std::endian::native == std::endian::little && sizeof(std::atomic<std::uint64_t>) == 8 &&
              std::atomic<std::uint64_t>::is_always_lock_free);

/// For the kernel alone: everybody else reads and writes the whole word.
inline std::atomic<std::uint32_t>& lower_half(std::atomic<std::uint64_t>& word) noexcept {
  return reinterpret_cast<std::atomic<std::uint32_t>&>(word);
}
inline std::uint32_t lower(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
inline std::uint32_t upper(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }

/// In the lower half of a word that others sleep on: whoever changes it wakes one.
inline constexpr std::uint64_t somebody_sleeps = std::uint64_t{1} << 31;

}  // namespace centimane::share
