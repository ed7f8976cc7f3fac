// Sleeping and waking, on private futexes.
#include "centimane/detail/sleeper.hpp"

#include <cerrno>
#include <thread>

#include "platform/futex.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

woken sleeper::sleep(std::uint32_t ticket, std::int64_t until) noexcept {
  int error = 0;
  // A wake-up that was meant for an earlier sleeper at this address does not end the sleep.
  while (word_.load() == ticket && error == 0) error = platform::private_futex_wait_until(word_, ticket, until);
  const bool rung = (word_.fetch_and(~asleep) | asleep) != ticket;
  return rung ? woken::rung : error == ETIMEDOUT ? woken::late : woken::early;
}

void sleeper::wake(std::atomic<std::uint32_t>* word) noexcept {
  if (word != nullptr) platform::private_futex_wake(word);
}

void sleeper::call_alarm() noexcept {
  callers_.fetch_add(1);
  if (const alarm* other = alarm_.load()) other->call(other->context);
  callers_.fetch_sub(1);
}

void sleeper::divert(const alarm* to) noexcept {
  alarm_.store(to);
  // Who comes from now on finds the new one; who may have the old one has been counted.
  while (callers_.load() != 0) std::this_thread::yield();
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
