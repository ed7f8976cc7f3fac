// A file that appears whole: written under a name of its own beside its place, moved there at the end. Whoever looks
// finds the file that was there before, or the new one, never half of it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "platform/fd.hpp"

namespace centimane::platform {

class new_file {
 public:
  /// Opens it, with the rights that the user's umask leaves. A relative path means the directory of this moment. Throws
  /// std::system_error if nothing can be written there, and for a place that is taken by what is no regular file
  /// (a directory, a device).
  explicit new_file(const std::string& path);
  /// If it was not finished, nothing is left of it.
  ~new_file();
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;

  /// Kept until there is enough of it. Throws std::system_error: nothing more can be written then.
  void write(std::string_view text);
  /// It takes its place. Throws std::system_error; then nothing is left of it.
  void finish();

 private:
  void flush();
  void drop() noexcept;

  fd directory_, file_;
  std::string name_, temporary_, kept_;
  std::uint32_t born_;  ///< fork generation: a copy of this process leaves it alone
};

/// This process's id.
[[nodiscard]] std::int64_t this_process() noexcept;

}  // namespace centimane::platform
