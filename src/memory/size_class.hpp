// How large a block is made for so many bytes, and how many of them lie in one segment. Up to four sizes an octave, all
// multiples of 64 KiB, which is the largest page of any system: what is not needed of a block is never touched.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

namespace centimane::memory {

/// The smallest block.
inline constexpr std::uint64_t least_block = std::uint64_t{64} << 10;
/// Results up to this size share a segment; a larger one has a segment of its own, which goes when it goes.
inline constexpr std::uint64_t largest_in_slab = std::uint64_t{1} << 20;
inline constexpr std::uint64_t slab = std::uint64_t{4} << 20;
/// Arguments share segments of this size: each segment of them costs the driver two descriptors.
inline constexpr std::uint64_t argument_slab = std::uint64_t{16} << 20;
/// Nothing larger is asked for: sums of a few of these fit into 64 bits.
inline constexpr std::uint64_t largest_block = std::uint64_t{1} << 46;

/// The size of the block for n bytes, n <= largest_block.
constexpr std::uint64_t block_for(std::uint64_t n) noexcept {
  if (n <= least_block) return least_block;
  const std::uint64_t step = std::max(least_block, std::bit_floor(n - 1) / 4);
  return (n + step - 1) / step * step;
}
constexpr std::uint32_t blocks_in_segment(bool of_arguments, std::uint64_t block) noexcept {
  if (of_arguments) return block > argument_slab ? 1 : static_cast<std::uint32_t>(argument_slab / block);
  return block > largest_in_slab ? 1 : static_cast<std::uint32_t>(slab / block);
}

}  // namespace centimane::memory
