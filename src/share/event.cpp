#include "share/event.hpp"

#include <climits>

#include "platform/fault.hpp"
#include "platform/futex.hpp"

namespace centimane::share {

std::shared_ptr<event> event::make() {
  return std::make_shared<event>(cell::make(cell_kind::event, sizeof(std::atomic<std::uint32_t>)));
}

std::shared_ptr<event> event::open(std::span<const std::byte> handle_bytes) {
  return std::make_shared<event>(cell::open(cell_kind::event, handle_bytes));
}

void event::set() noexcept {
  std::uint32_t seen = word_->load();
  do {
    if ((seen & flag) != 0) return;
  } while (!word_->compare_exchange_weak(seen, ((seen & ~sleepers) + step) | flag));
  CENTIMANE_FAULT("share.event.set");
  if ((seen & sleepers) != 0) platform::futex_wake(*word_, INT_MAX);
}

void event::clear() noexcept { word_->fetch_and(~flag); }

event::outcome event::wait(patience& wait) {
  std::uint32_t seen = word_->load();
  const std::uint32_t round = seen / step;
  for (;;) {
    if ((seen & flag) != 0 || seen / step != round) return outcome::set;
    if (wait.none()) return outcome::late;
    if ((seen & sleepers) == 0) {
      if (!word_->compare_exchange_strong(seen, seen | sleepers)) continue;
      seen |= sleepers;
    }
    CENTIMANE_FAULT("share.event.sleep");
    const patience::after ended = wait.sleep(*word_, seen);
    seen = word_->load();
    if (ended == patience::after::again) continue;
    if ((seen & flag) != 0 || seen / step != round) return outcome::set;
    return ended == patience::after::late ? outcome::late : outcome::stopped;
  }
}

}  // namespace centimane::share
