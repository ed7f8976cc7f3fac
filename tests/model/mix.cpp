#include "model/mix.hpp"

#include <algorithm>
#include <cstring>

namespace centimane::model {

std::uint64_t mix(std::uint64_t h, std::span<const std::byte> bytes) noexcept {
  // Four lanes, which a processor goes through side by side.
  std::uint64_t lanes[4] = {h, h + 1, h + 2, h + 3};
  std::uint64_t words[4] = {};
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), sizeof words);
    if (n < sizeof words) std::memset(words, 0, sizeof words);
    std::memcpy(words, bytes.data(), n);
    for (int k = 0; k < 4; ++k) {
      lanes[k] = (lanes[k] ^ words[k]) * 0x9e3779b97f4a7c15ULL;
      lanes[k] ^= lanes[k] >> 32;
    }
    bytes = bytes.subspan(n);
  }
  return mix(mix(mix(lanes[0], lanes[1]), lanes[2]), lanes[3]);
}

}  // namespace centimane::model
