// A small plain file that processes of one user map together: opened or made, private to its owner, and held against
// all others who open it at the same time until it is let go. Whoever is killed meanwhile holds nobody up.
#pragma once
#include <cstdint>
#include <string>

#include "platform/fd.hpp"

namespace centimane::platform {

class common_file {
 public:
  enum class found : std::uint8_t { opened, failed, not_plain, of_another_user, others_write, held };

  common_file() = default;
  common_file(const common_file&) = delete;
  common_file& operator=(const common_file&) = delete;
  ~common_file() { let_go(); }

  /// Opens it, or makes it with mode 0600, and holds it. failed: errno says why. held: somebody has held it for ten
  /// seconds, a process that was stopped, say. Not a symbolic link; not a file that others may write to.
  found open(const std::string& path);
  /// Its size; then, if it is empty, `wanted`. Throws std::system_error.
  [[nodiscard]] std::uint64_t size_or_grow(std::uint64_t wanted);
  /// Others may open it now. Mappings stay. Idempotent.
  void let_go() noexcept;
  [[nodiscard]] int get() const noexcept { return file_.get(); }

 private:
  fd file_;
};

/// What tells one start of the machine from the next, 36 characters; empty if the kernel does not tell.
[[nodiscard]] std::string boot_id();

}  // namespace centimane::platform
