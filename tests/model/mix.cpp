#include "model/mix.hpp"

#include <cstring>

namespace centimane::model {

std::uint64_t mix(std::uint64_t h, std::span<const std::byte> bytes) noexcept {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data(), 8);
    h = mix(h, eight);
  }
  for (const std::byte b : bytes) h = mix(h, static_cast<std::uint64_t>(b));
  return h;
}

}  // namespace centimane::model
