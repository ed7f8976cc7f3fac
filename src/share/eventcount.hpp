// Sleep until somebody rings, between processes: announce, look again, sleep. Who rings makes a system call only if
// somebody may sleep; and one that died asleep, or was woken and died, costs those who ring no more than one call.
//
//   sleeper:  const auto seen = bell.announce();            ringer:  <make it true, seq_cst>
//             if (!<is it true now, seq_cst>)                        bell.ring();
//               bell.sleep(seen, until);
//
// Why nobody is forgotten: a ringer that finds nobody to wake marks as answered the announcements it had seen. Each of
// those had read `rung_` before it announced itself, so it cannot fall asleep any more: the word has changed. A
// sleeper that is woken and dies before it acts takes its call along, and a ringer may die before it rings: so nobody
// sleeps longer than a slice without another look.
//
// Lies in memory that processes share; zeroed is ready. Thread safety: all of it.
#pragma once
#include <atomic>
#include <climits>
#include <cstdint>

#include "platform/futex.hpp"

namespace centimane::share {

class eventcount {
 public:
  /// Before the last look. Answers what sleep() takes.
  [[nodiscard]] std::uint32_t announce() noexcept {
    const std::uint32_t seen = rung_.load(std::memory_order_seq_cst);
    announced_.fetch_add(1, std::memory_order_seq_cst);
    return seen;
  }
  /// Until somebody rings, or `until` on the monotonic clock; may return early.
  void sleep(std::uint32_t seen, std::int64_t until) noexcept { platform::futex_wait_until(rung_, seen, until); }
  /// Wakes one sleeper. Cost: a load if nobody sleeps.
  void ring() noexcept {
    if (awaited()) wake(1);
  }
  /// Wakes all.
  void ring_all() noexcept {
    if (awaited()) wake(INT_MAX);
  }
  /// May somebody sleep?
  [[nodiscard]] bool awaited() const noexcept {
    return announced_.load(std::memory_order_seq_cst) != answered_.load(std::memory_order_relaxed);
  }

 private:
  void wake(int count) noexcept {
    const std::uint32_t upto = announced_.load(std::memory_order_seq_cst);
    rung_.fetch_add(1, std::memory_order_seq_cst);
    if (platform::futex_wake(rung_, count) < count) answered_.store(upto, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> rung_, announced_, answered_;
};

}  // namespace centimane::share
