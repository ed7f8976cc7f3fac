#include "platform/process_maps.hpp"

#include <cstdio>
#include <cstring>

namespace centimane::platform {

mapped maps_file(std::int64_t pid, const char* name) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%lld/maps", static_cast<long long>(pid));
  std::FILE* maps = std::fopen(path, "re");
  if (maps == nullptr) return mapped::no;
  char line[4096];
  mapped answer = mapped::ending;
  while (answer != mapped::yes && std::fgets(line, sizeof line, maps) != nullptr) {
    answer = std::strstr(line, name) != nullptr ? mapped::yes : mapped::no;
  }
  std::fclose(maps);
  return answer;
}

}  // namespace centimane::platform
