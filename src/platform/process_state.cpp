#include "platform/process_state.hpp"

#include <cstdio>
#include <cstring>

namespace centimane::platform {

bool wants_processor(std::int64_t pid) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%lld/stat", static_cast<long long>(pid));
  std::FILE* stat = std::fopen(path, "re");
  if (stat == nullptr) return false;
  char line[256];
  const std::size_t n = std::fread(line, 1, sizeof line - 1, stat);
  std::fclose(stat);
  line[n] = '\0';
  // pid (name) state …: the name may hold anything, and is short.
  const char* behind = std::strrchr(line, ')');
  return behind != nullptr && std::strncmp(behind, ") R", 3) == 0;
}

}  // namespace centimane::platform
