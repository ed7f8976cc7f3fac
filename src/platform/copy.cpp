#include "platform/copy.hpp"

#include <cstring>
#include <exception>
#include <thread>

#include "platform/signal_hold.hpp"

namespace centimane::platform {
namespace {

/// Copying that much takes milliseconds; a thread's start, some tens of microseconds.
constexpr std::size_t worth_a_thread = std::size_t{16} << 20;
/// The halves meet at a page.
constexpr std::size_t page = 4096;

void copy(std::byte* to, std::span<const std::byte> from) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

std::thread copier(std::byte* to, std::span<const std::byte> from) {
  const signal_hold inherited;
  return std::thread([=] { copy(to, from); });
}

}  // namespace

void copy_bytes(std::byte* to, std::span<const std::byte> from) noexcept {
  if (from.size() < worth_a_thread || std::thread::hardware_concurrency() < 2) return copy(to, from);
  const std::size_t half = from.size() / 2 / page * page;
  try {
    std::thread other = copier(to + half, from.subspan(half));
    copy(to, from.first(half));
    other.join();
  } catch (const std::exception&) {  // no thread to be had
    copy(to, from);
  }
}

}  // namespace centimane::platform
