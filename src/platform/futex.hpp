// Sleep on a 32-bit word and wake those who do. Callers use the eventcount pattern: announce, look again, sleep; so an
// early return never matters.
#pragma once
#include <atomic>
#include <cstdint>

namespace centimane::platform {

// ---- a word that may lie in memory shared between processes

/// Sleeps while `word` holds `expected`. May return early (signal, spurious wake-up); returns at once if it holds
/// something else.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;
/// The same, at the latest until `until` on the monotonic clock (INT64_MAX: for ever).
void futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until) noexcept;
/// Wakes up to `count` sleepers; answers how many.
int futex_wake(std::atomic<std::uint32_t>& word, int count = 1) noexcept;

// ---- a word of this process alone: cheaper, and a wake-up of an address that is no longer mapped is harmless, for the
// kernel never looks at it

/// Sleeps while `word` holds `expected`, until woken or `until` on the monotonic clock (INT64_MAX: for ever). Answers 0
/// or the errno: EAGAIN (it holds something else), ETIMEDOUT, EINTR.
int private_futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until) noexcept;
/// Wakes one sleeper. The word may be gone.
void private_futex_wake(std::atomic<std::uint32_t>* word) noexcept;

}  // namespace centimane::platform
