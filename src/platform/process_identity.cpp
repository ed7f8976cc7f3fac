#include "platform/process_identity.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "platform/fd.hpp"
#include "platform/fork_generation.hpp"

namespace centimane::platform {
namespace {

struct look {
  char state = '\0';
  std::uint32_t start = 0;
};

/// What /proc says; nothing if there is no such process or no /proc. `state` is 0 if its line cannot be read.
std::optional<look> look_at(std::int32_t pid) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const fd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  char line[512];
  ssize_t n = -1;
  do {
    n = ::read(file.get(), line, sizeof line - 1);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return std::nullopt;  // it ended in between
  line[n] = '\0';
  // pid (name) state …, where the name may hold anything: from behind its bracket the state is the third field and the
  // start time the 22nd.
  const char* at = std::strrchr(line, ')');
  if (at == nullptr || at[1] == '\0' || at[2] == '\0') return look{};
  look it{at[2], 0};
  at += 2;
  for (int field = 3; field < 22 && at != nullptr; ++field) {
    at = std::strchr(at, ' ');
    if (at != nullptr) ++at;
  }
  if (at != nullptr) it.start = static_cast<std::uint32_t>(std::strtoull(at, nullptr, 10));
  return it;
}

}  // namespace

process_identity this_process_identity() noexcept {
  // Two threads may both look: they find the same.
  static std::atomic<std::uint64_t> known{0};
  static std::atomic<std::uint32_t> known_in{0};
  const std::uint32_t generation = fork_generation();
  if (known_in.load(std::memory_order_acquire) == generation) {
    return process_identity::from_word(known.load(std::memory_order_relaxed));
  }
  const std::int32_t pid = ::getpid();
  const std::optional<look> seen = look_at(pid);
  const process_identity it{pid, seen ? seen->start : 0};
  known.store(it.word(), std::memory_order_relaxed);
  known_in.store(generation, std::memory_order_release);
  return it;
}

bool is_alive(process_identity who) noexcept {
  if (who.pid <= 0) return false;
  if (const std::optional<look> seen = look_at(who.pid)) {
    return seen->state != 'Z' && seen->state != 'X' && (who.start == 0 || seen->start == 0 || seen->start == who.start);
  }
  if (who.start != 0 && look_at(::getpid())) return false;  // /proc tells of processes, and not of this one
  return ::kill(who.pid, 0) == 0 || errno == EPERM;
}

}  // namespace centimane::platform
