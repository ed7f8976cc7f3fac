#include "platform/memory_users.hpp"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace centimane::platform {
namespace {

bool maps(const char* pid, const file_identity& file) noexcept {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%.16s/maps", pid);
  std::FILE* all = std::fopen(path, "re");
  if (all == nullptr) return false;
  char line[512];
  bool found = false, begins = true;
  while (!found && std::fgets(line, sizeof line, all) != nullptr) {
    unsigned major = 0, minor = 0;
    std::uint64_t inode = 0;
    // begin-end rights offset device inode path
    found = begins && std::sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &inode) == 3 &&
            inode == file.inode && makedev(major, minor) == file.device;
    begins = false;  // a path longer than the line goes on in the next piece
    for (const char* at = line; *at != '\0'; ++at) begins = begins || *at == '\n';
  }
  std::fclose(all);
  return found;
}

}  // namespace

bool mapped_elsewhere(const file_identity& file) noexcept {
  DIR* all = ::opendir("/proc");
  if (all == nullptr) return false;
  const long me = ::getpid();
  bool found = false;
  while (const dirent* one = found ? nullptr : ::readdir(all)) {
    char* end = nullptr;
    const long pid = std::strtol(one->d_name, &end, 10);
    found = pid > 0 && *end == '\0' && pid != me && maps(one->d_name, file);
  }
  ::closedir(all);
  return found;
}

bool has_other_threads() noexcept {
  DIR* all = ::opendir("/proc/self/task");
  if (all == nullptr) return false;
  int threads = 0;
  while (const dirent* one = ::readdir(all)) threads += one->d_name[0] != '.' ? 1 : 0;
  ::closedir(all);
  return threads > 1;
}

}  // namespace centimane::platform
