#include "wire/digest.hpp"

#include <bit>
#include <cstring>

namespace centimane::wire {
namespace {

std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

digest128 digest(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  std::uint64_t a = mix(seed ^ bytes.size()), b = mix(~seed + bytes.size());
  const auto take = [&](std::uint64_t word) {
    a = mix(a ^ word);
    b = std::rotl(b, 23) + mix(word + 0x9e3779b97f4a7c15);
    b *= 0xd6e8feb86659fd93;
  };
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    take(word);
  }
  if (at < bytes.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    take(word);
  }
  const std::uint64_t both[2] = {mix(a ^ b), mix(b + std::rotl(a, 32))};
  digest128 made;
  std::memcpy(made.data(), both, sizeof both);
  return made;
}

}  // namespace centimane::wire
