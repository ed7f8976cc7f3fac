// A plain file, private to its owner, that one user at a time works on, told from all others by a lock which ends with
// the process. Closing any descriptor of a file drops the process's locks on it, so a file that is claimed here is not
// opened a second time.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "platform/fd.hpp"

namespace centimane::platform {

enum class claim : std::uint8_t { taken, failed, not_plain, others_write, in_use_here, in_use_elsewhere };

class claimed_file {
 public:
  claimed_file() = default;
  claimed_file(const claimed_file&) = delete;
  claimed_file& operator=(const claimed_file&) = delete;
  ~claimed_file() { release(); }

  /// Opens the file, or makes it with mode 0600, and claims it. failed: errno says why. Not a symbolic link; not a file
  /// that others may write to.
  claim take(const std::string& path);
  /// Lets go, whatever still works on the file through other descriptors must have ended before. Idempotent.
  void release() noexcept;

 private:
  fd file_;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> who_;  ///< device and inode
  std::uint32_t born_ = 0;                                      ///< fork generation
};

/// The size of a plain file; nothing: there is none of that name, or something else (then errno is 0).
std::optional<std::uint64_t> plain_file_size(const std::string& path);
/// Is there something of that name?
bool file_exists(const std::string& path);

}  // namespace centimane::platform
