#include "platform/oom.hpp"

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace centimane::platform {
namespace {

using file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

file open(const std::string& path) { return {std::fopen(path.c_str(), "re"), &std::fclose}; }

/// "oom_kill N" in a file of such lines.
bool count_in(const std::string& path, std::uint64_t& count) {
  const file in = open(path);
  if (!in) return false;
  char line[256];
  while (std::fgets(line, sizeof line, in.get()) != nullptr) {
    unsigned long long n = 0;
    if (std::sscanf(line, "oom_kill %llu", &n) == 1) {
      count = n;
      return true;
    }
  }
  return false;
}

}  // namespace

std::uint64_t oom_kills() noexcept {
  try {
    const file groups = open("/proc/self/cgroup");
    if (!groups) return 0;
    char line[4096];
    while (std::fgets(line, sizeof line, groups.get()) != nullptr) {
      line[std::strcspn(line, "\n")] = 0;
      std::uint64_t count = 0;
      if (std::strncmp(line, "0::", 3) == 0) {
        const std::string path(line + 3);
        if (count_in("/sys/fs/cgroup" + path + "/memory.events", count)) return count;
      } else if (const char* v1 = std::strstr(line, ":memory:")) {
        const std::string path(v1 + 8);
        if (count_in("/sys/fs/cgroup/memory" + path + "/memory.oom_control", count)) return count;
        if (count_in("/sys/fs/cgroup/memory/memory.oom_control", count)) return count;
      }
    }
  } catch (...) {  // out of memory while asking about it: unknown
  }
  return 0;
}

}  // namespace centimane::platform
