// A waiting thread's place to sleep: an eventcount for one thread, on a 32-bit futex. The thread announces itself,
// looks once more at what it waits for, and sleeps; whoever changes that rings. A ring between announcement and sleep
// is never lost, and a ring costs no system call unless the thread really sleeps.
//
//   for (;;) {
//     auto ticket = me.announce();
//     if (there_is_something) { me.awake(); break; }
//     me.sleep(ticket, until);
//   }
//
// Thread safety: announce, awake and sleep belong to one thread; signal and ring to any.
#pragma once
#include <atomic>
#include <cstdint>

namespace centimane {
inline namespace v0 {
namespace detail {

/// Rings something else than a futex: for a thread that sleeps elsewhere (in epoll, say).
struct alarm {
  void (*call)(void*) noexcept;
  void* context;
};

/// Why a sleep ended: rung; the deadline has passed; for no reason of ours (a signal, say).
enum class woken : std::uint8_t { rung, late, early };

class sleeper {
 public:
  sleeper() noexcept = default;
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;

  [[nodiscard]] std::uint32_t announce() noexcept { return word_.fetch_or(asleep) | asleep; }
  void awake() noexcept { word_.fetch_and(~asleep); }
  /// Sleeps until rung since `ticket` was drawn, or until `until` on the monotonic clock (INT64_MAX: for ever). Implies
  /// awake().
  woken sleep(std::uint32_t ticket, std::int64_t until) noexcept;

  /// Notes the ring; answers the word to give to `wake`, or null if nobody sleeps. The sleeper may be gone by the time
  /// of `wake`: that is why it takes an address and never looks at it (a stray wake-up is harmless).
  [[nodiscard]] std::atomic<std::uint32_t>* signal() noexcept {
    const std::uint32_t before = word_.fetch_add(step);
    if (alarm_.load() != nullptr) call_alarm();
    return (before & asleep) != 0 ? &word_ : nullptr;
  }
  static void wake(std::atomic<std::uint32_t>* word) noexcept;
  void ring() noexcept { wake(signal()); }

  /// While set (by the sleeping thread), a ring also calls it. Returns when nobody is in the alarm of before: it and
  /// its context may end then.
  void divert(const alarm* to) noexcept;

 private:
  void call_alarm() noexcept;
  static constexpr std::uint32_t asleep = 1, step = 2;
  std::atomic<std::uint32_t> word_{0};
  std::atomic<const alarm*> alarm_{nullptr};
  std::atomic<std::uint32_t> callers_{0};  ///< threads that may be in the alarm
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
