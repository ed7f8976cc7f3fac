// A queue in memory that children share, children, and items that say who put them.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/mapping.hpp"
#include "share/queue_core.hpp"

namespace centimane::test {

struct queue_world {
  explicit queue_world(std::size_t ring, const share::queue_rules& rules = {})
      : memory(platform::mapping::shared_with_children(share::queue_core::memory_for(ring))),
        queue((share::queue_core::format({memory.data(), memory.size()}, rules),
               std::span(memory.data(), memory.size()))) {}
  platform::mapping memory;
  share::queue_core queue;
};

/// A child that runs `what`, and ends with 0 if it says true.
inline pid_t child(const std::function<bool()>& what) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  bool good = false;
  try {
    good = what();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "in the child: %s\n", e.what());
  }
  ::_exit(good ? 0 : 1);
}
inline int status_of(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}
inline bool ended_well(pid_t pid) { return status_of(pid) == 0; }

inline share::queue_end put_text(share::queue_core& queue, std::string_view text) {
  return queue.put(std::as_bytes(std::span(text.data(), text.size())), INT64_MAX);
}
inline std::optional<std::string> get_text(share::queue_core& queue) {
  std::optional<std::string> text;
  queue.get([&](share::queue_core::part it) { text.emplace(reinterpret_cast<const char*>(it.data()), it.size()); },
            INT64_MAX);
  return text;
}

struct number {
  std::uint32_t who, count;
};
/// Puts it, with so many bytes behind it, however long that takes.
inline void put_number(share::queue_core& queue, std::uint32_t who, std::uint32_t count, std::size_t behind) {
  std::vector<std::byte> item(sizeof(number) + behind);
  const number it{who, count};
  std::memcpy(item.data(), &it, sizeof it);
  bool waited = false;
  while (queue.put(item, INT64_MAX) == share::queue_end::later) {
    queue.wait_for_room(item.size(), INT64_MAX);
    waited = true;
  }
  if (waited) queue.pass_on_room();
}
/// Sleeps without an end: whoever relies on a wake-up that does not come, hangs.
inline number get_number(share::queue_core& queue, std::int64_t slice = INT64_MAX) {
  number it{};
  bool waited = false;
  while (queue.get([&](share::queue_core::part from) { std::memcpy(&it, from.data(), sizeof it); }, INT64_MAX) ==
         share::queue_end::later) {
    queue.wait_for_items(slice);
    waited = true;
  }
  if (waited) queue.pass_on_items();
  return it;
}

}  // namespace centimane::test
