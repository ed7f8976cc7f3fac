// The table of descriptors of a process that serves strangers' code: ours sit at high numbers, nothing inherited stays
// open by accident, 0-2 always exist.
#pragma once
#include <sys/types.h>

#include <span>

#include "platform/fd.hpp"

namespace centimane::platform {

/// A number from which on our descriptors sit: user code opens from below and closes loops there first. Room for 32
/// above it.
int high_numbers() noexcept;
/// The same file at a high number, close-on-exec; `low` is closed. Stays where it is if there is no room.
fd move_high(fd low) noexcept;
/// Another descriptor of the same file, close-on-exec. None for a number that is not open. Throws std::system_error if
/// there is no room.
fd another(int number);
/// Closes every descriptor from 3 on but those named. `keep` need not be sorted; negative ones are ignored.
void close_all_but(std::span<const int> keep) noexcept;
/// Opens /dev/null on those of 0-2 that are closed. Without /dev/null (an empty root) nothing is done.
void ensure_standard() noexcept;
/// stdin becomes /dev/null.
void silence_stdin() noexcept;

/// What a descriptor is, to know it again: user code may close it and open something else at its number.
class identity {
 public:
  identity() noexcept = default;
  explicit identity(int fd) noexcept;
  /// Is it still the same file? One fstat.
  [[nodiscard]] bool still(int fd) const noexcept;

 private:
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool known_ = false;
};

}  // namespace centimane::platform
