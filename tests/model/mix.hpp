// One step of a hash of 64 bits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace centimane::model {

constexpr std::uint64_t mix(std::uint64_t h, std::uint64_t with) noexcept {
  h = (h ^ with) * 0x9e3779b97f4a7c15ULL;
  h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL;
  return h ^ h >> 29;
}

/// All of these bytes.
std::uint64_t mix(std::uint64_t h, std::span<const std::byte> bytes) noexcept;

}  // namespace centimane::model
