// Looks for captured pointers in the bytes of a callable: words that point into memory which this process may write.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "centimane/detail/function_travel.hpp"
#include "centimane/errors.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

struct stretch_of_memory {
  std::uintptr_t begin, end;
};

/// Without /proc there is nothing to compare with, and nothing is refused.
std::vector<stretch_of_memory> writable_memory() {
  std::vector<stretch_of_memory> all;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/maps", "re"), &std::fclose);
  if (!maps) return all;
  char line[512];
  bool at_start = true;
  while (std::fgets(line, sizeof line, maps.get()) != nullptr) {
    unsigned long begin = 0, end = 0;
    char rights[5] = "";
    if (at_start && std::sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && rights[1] == 'w') {
      all.push_back({begin, end});
    }
    at_start = std::strchr(line, '\n') != nullptr;
  }
  return all;
}

}  // namespace

void refuse_pointers(std::span<const std::byte> object, const char* mangled_type) {
  if (object.size() < sizeof(void*)) return;
  const auto memory = writable_memory();
  for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= object.size(); at += alignof(void*)) {
    std::uintptr_t word;
    std::memcpy(&word, object.data() + at, sizeof word);
    const bool points = std::any_of(memory.begin(), memory.end(),
                                    [&](const stretch_of_memory& m) { return word >= m.begin && word < m.end; });
    if (points) {
      throw payload_error("centimane: the function of type " + std::string(demangled(mangled_type)) +
                          " cannot travel to a worker process: it holds, " + std::to_string(at) +
                          " bytes from its start, a pointer or reference into this process; capture by value, or run "
                          "on centimane::thread");
    }
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
