// Which process: its id, and when it began, for an id is given to another process one day. Fits one atomic word, so
// that what stands in shared memory can say whose it is.
#pragma once
#include <cstdint>

namespace centimane::platform {

struct process_identity {
  std::int32_t pid = 0;
  std::uint32_t start = 0;  ///< the low bits of the kernel's start time, in its ticks; 0: /proc does not tell

  [[nodiscard]] constexpr std::uint64_t word() const noexcept {
    return std::uint64_t{start} << 32 | static_cast<std::uint32_t>(pid);
  }
  static constexpr process_identity from_word(std::uint64_t word) noexcept {
    return {static_cast<std::int32_t>(static_cast<std::uint32_t>(word)), static_cast<std::uint32_t>(word >> 32)};
  }
  explicit constexpr operator bool() const noexcept { return pid != 0; }
  friend constexpr bool operator==(const process_identity&, const process_identity&) noexcept = default;
};

/// This process's, right after a fork too. A few nanoseconds. Any thread.
process_identity this_process_identity() noexcept;

/// Is that process still there? One that has ended and is not reaped (a zombie) is not. Where /proc does not tell, a
/// process with the same id counts as the same. About 10 µs. Any thread.
bool is_alive(process_identity who) noexcept;

}  // namespace centimane::platform
