#include "platform/process_maps.hpp"

#include <cstdio>
#include <cstring>

namespace centimane::platform {

bool maps_file(std::int64_t pid, const char* name) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%lld/maps", static_cast<long long>(pid));
  std::FILE* maps = std::fopen(path, "re");
  if (maps == nullptr) return false;
  char line[4096];
  bool found = false;
  while (!found && std::fgets(line, sizeof line, maps) != nullptr) found = std::strstr(line, name) != nullptr;
  std::fclose(maps);
  return found;
}

}  // namespace centimane::platform
