#include "platform/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace centimane::platform {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT, expected, nullptr, nullptr, 0);
}

void futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until) noexcept {
  if (until == INT64_MAX) return futex_wait(word, expected);
  const timespec time{until / 1'000'000'000, until % 1'000'000'000};
  // The bitset form takes an absolute time, on the monotonic clock.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_BITSET, expected, &time, nullptr,
          FUTEX_BITSET_MATCH_ANY);
}

int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  const long woken =
      syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE, count, nullptr, nullptr, 0);
  return woken < 0 ? 0 : static_cast<int>(woken);
}

int private_futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until) noexcept {
  const std::int64_t at = std::max<std::int64_t>(until, 0);
  const timespec time{at / 1'000'000'000, at % 1'000'000'000};
  const long r = syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                         expected, until == INT64_MAX ? nullptr : &time, nullptr, FUTEX_BITSET_MATCH_ANY);
  return r == 0 ? 0 : errno;
}

void private_futex_wake(std::atomic<std::uint32_t>* word) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

}  // namespace centimane::platform
