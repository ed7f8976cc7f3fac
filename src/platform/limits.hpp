// How much of what is scarce this process may still have.
#pragma once
#include <array>
#include <cstdint>

namespace centimane::platform {

/// The soft and hard limits on memory, descriptors and file sizes as they were, for a process in which strangers' code
/// may lower them. Cost of restored(): a system call a limit.
class kept_limits {
 public:
  kept_limits() noexcept;
  /// Puts back what has changed. False: one cannot be put back.
  [[nodiscard]] bool restored() const noexcept;

 private:
  struct pair {
    std::uint64_t soft = 0, hard = 0;
  };
  std::array<pair, 4> were_{};
};

/// Descriptors that can still be opened under the soft limit. UINT64_MAX if it cannot be told.
std::uint64_t free_descriptors() noexcept;

}  // namespace centimane::platform
