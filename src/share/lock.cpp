#include "share/lock.hpp"

#include "platform/cpu_relax.hpp"
#include "platform/fault.hpp"
#include "platform/futex.hpp"
#include "share/half.hpp"

namespace centimane::share {
namespace {

/// Short sections are over sooner than a sleep begins.
constexpr int looks_before_sleep = 20;

}  // namespace

std::uint32_t this_thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  static thread_local const std::uint32_t mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return mine;
}

std::shared_ptr<lock> lock::make(bool recursive) {
  std::shared_ptr<cell> at = cell::make(cell_kind::lock, sizeof(state));
  at->as<state>().recursive = recursive ? 1 : 0;
  return std::make_shared<lock>(std::move(at));
}

std::shared_ptr<lock> lock::open(std::span<const std::byte> handle_bytes) {
  return std::make_shared<lock>(cell::open(cell_kind::lock, handle_bytes));
}

lock::lock(std::shared_ptr<cell> at)
    : cell_(std::move(at)), state_(&cell_->as<state>()), recursive_(state_->recursive != 0) {}

std::uint64_t lock::owner() const noexcept { return state_->owner.load() & ~somebody_sleeps; }

/// Of one thread of one process: what an owner that died has left there is never taken for this thread's.
std::uint64_t lock::my_mark() noexcept {
  const platform::process_identity me = platform::this_process_identity();
  return std::uint64_t{this_thread_number()} << 32 | (static_cast<std::uint32_t>(me.pid) ^ me.start * 2654435769U);
}

bool lock::deepen() noexcept {
  state_->depth.store(depth() + 1, std::memory_order_relaxed);
  return true;
}

void lock::taken_by_me() noexcept {
  CENTIMANE_FAULT("share.lock.taken");
  state_->depth.store(1, std::memory_order_relaxed);
  state_->thread.store(my_mark(), std::memory_order_relaxed);
  CENTIMANE_FAULT("share.lock.marked");
}

/// Who has slept does not know who else does: it says so in the word.
bool lock::take_while_free(std::uint64_t me, bool slept) noexcept {
  std::uint64_t free = 0;
  if (!state_->owner.compare_exchange_strong(free, slept ? me | somebody_sleeps : me)) return false;
  taken_by_me();
  return true;
}

/// If the owner that was seen is dead, frees the lock. One of those who try succeeds.
std::optional<platform::process_identity> lock::bury(std::uint64_t seen) noexcept {
  const auto who = platform::process_identity::from_word(seen & ~somebody_sleeps);
  if (who == platform::this_process_identity() || platform::is_alive(who)) return std::nullopt;
  CENTIMANE_FAULT("share.lock.bury");
  if (!state_->owner.compare_exchange_strong(seen, 0)) return std::nullopt;
  CENTIMANE_FAULT("share.lock.buried");
  if ((seen & somebody_sleeps) != 0) platform::futex_wake(lower_half(state_->owner));
  return who;
}

/// Who was woken and leaves without the lock wakes another, if there is something to take.
void lock::pass_on() noexcept {
  if (state_->owner.load() == 0) platform::futex_wake(lower_half(state_->owner));
}

lock::outcome lock::take(patience& wait, platform::process_identity& dead) {
  if (try_take()) return outcome::taken;
  const std::uint64_t me = platform::this_process_identity().word();
  for (int k = 0; k < looks_before_sleep && !wait.none() && owner() != me; ++k) {
    if (state_->owner.load(std::memory_order_relaxed) == 0 && take_while_free(me, false)) return outcome::taken;
    platform::cpu_relax();
  }
  std::uint64_t before = 0;
  for (;;) {
    std::uint64_t seen = state_->owner.load();
    if (seen == 0) {
      if (take_while_free(me, wait.slept())) return outcome::taken;
      continue;
    }
    // An owner is looked at if it had the lock before the last sleep too: that is no owner of a moment.
    const std::uint64_t who = seen & ~somebody_sleeps;
    const bool long_since = who == before;
    if (long_since || wait.none()) {
      if (const auto buried = bury(seen)) {
        dead = *buried;
        return outcome::owner_died;
      }
    }
    before = who;
    if (wait.none()) {
      if (state_->owner.load() == 0) continue;  // it was buried by another meanwhile, or given back
      return outcome::late;
    }
    if ((seen & somebody_sleeps) == 0) {
      if (!state_->owner.compare_exchange_strong(seen, seen | somebody_sleeps)) continue;
      seen |= somebody_sleeps;
    }
    CENTIMANE_FAULT("share.lock.sleep");
    const patience::after ended = wait.sleep(lower_half(state_->owner), lower(seen));
    CENTIMANE_FAULT("share.lock.woken");
    if (ended == patience::after::again) continue;
    if (ended == patience::after::late && !long_since) {
      wait.give_up();  // one more look, at the owner too
      continue;
    }
    pass_on();
    return ended == patience::after::late ? outcome::late : outcome::stopped;
  }
}

bool lock::give_back() noexcept {
  if (recursive_) {
    if (!is_mine()) return false;
    if (const std::uint32_t deep = depth(); deep > 1) {
      state_->depth.store(deep - 1, std::memory_order_relaxed);
      return true;
    }
    state_->thread.store(0, std::memory_order_relaxed);
  }
  CENTIMANE_FAULT("share.lock.release");
  std::uint64_t seen = state_->owner.load();
  do {
    if ((seen & ~somebody_sleeps) == 0) return false;
  } while (!state_->owner.compare_exchange_weak(seen, 0));
  CENTIMANE_FAULT("share.lock.released");
  if ((seen & somebody_sleeps) != 0) platform::futex_wake(lower_half(state_->owner));
  return true;
}

std::uint32_t lock::give_back_fully() noexcept {
  const std::uint32_t deep = depth();
  state_->depth.store(1, std::memory_order_relaxed);
  give_back();
  return deep;
}

lock::outcome lock::retake(std::uint32_t deep, patience& wait, platform::process_identity& dead) {
  const outcome how = take(wait, dead);
  if (how == outcome::taken) state_->depth.store(deep, std::memory_order_relaxed);
  return how;
}

std::string lock::obituary(platform::process_identity dead) const {
  return "centimane: process " + std::to_string(dead.pid) + " ended while it held this " +
         (recursive_ ? "recursive lock" : "lock") +
         ". The lock is free again, and nobody else is told; what it protects may be half changed";
}

}  // namespace centimane::share
