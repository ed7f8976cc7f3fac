// A number of 128 bits that stands for a run of bytes. Tells accidents apart, not attackers.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace centimane::wire {

using digest128 = std::array<std::byte, 16>;

/// The same on every machine of one byte order. Cost: about a nanosecond each four bytes. Pure.
[[nodiscard]] digest128 digest(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept;

}  // namespace centimane::wire
