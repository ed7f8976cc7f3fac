#include "share/semaphore.hpp"

#include <algorithm>

#include "centimane/errors.hpp"
#include "platform/cpu_relax.hpp"
#include "platform/fault.hpp"
#include "platform/fork_generation.hpp"
#include "platform/futex.hpp"
#include "platform/process_identity.hpp"
#include "share/half.hpp"

namespace centimane::share {
namespace {

constexpr int looks_before_sleep = 20;

// The word: the value and whether somebody sleeps (lower half), then the last operation's entry (7 bits), what it was
// (2) and its number (23).
enum operation : std::uint32_t { none, taken, given, reclaimed };
constexpr std::uint32_t number_bits = 23, number_mask = (1U << number_bits) - 1;

constexpr std::uint64_t value_of(std::uint64_t word) noexcept { return word & (somebody_sleeps - 1); }
constexpr std::uint32_t slot_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32) & 127; }
constexpr std::uint32_t operation_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 39) & 3; }
constexpr std::uint32_t number_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 41); }

// An entry: how many are held (upper half) and the number of the last operation in it.
constexpr std::int32_t held_in(std::uint64_t entry) noexcept { return static_cast<std::int32_t>(entry >> 32); }
constexpr std::uint32_t last_in(std::uint64_t entry) noexcept { return static_cast<std::uint32_t>(entry); }
constexpr std::uint64_t entry_of(std::int32_t held, std::uint32_t last) noexcept {
  return std::uint64_t{static_cast<std::uint32_t>(held)} << 32 | last;
}

}  // namespace

std::shared_ptr<semaphore> semaphore::make(std::uint32_t initial, std::uint32_t max) {
  std::shared_ptr<cell> at = cell::make(cell_kind::semaphore, sizeof(state));
  state& s = at->as<state>();
  s.initial = initial;
  s.max = max;
  s.word.store(initial);
  return std::make_shared<semaphore>(std::move(at));
}

std::shared_ptr<semaphore> semaphore::open(std::span<const std::byte> handle_bytes) {
  return std::make_shared<semaphore>(cell::open(cell_kind::semaphore, handle_bytes));
}

semaphore::semaphore(std::shared_ptr<cell> at)
    : cell_(std::move(at)), state_(&cell_->as<state>()), initial_(state_->initial), max_(state_->max) {
  if (max_ > most || initial_ > max_)
    throw payload_error("centimane: the shared memory of a semaphore is damaged", "read_args");
}

std::uint32_t semaphore::value() const noexcept { return static_cast<std::uint32_t>(value_of(state_->word.load())); }

bool semaphore::settled(std::uint64_t word) const noexcept {
  return operation_of(word) == none || last_in(state_->ledger[slot_of(word)].held.load()) == number_of(word);
}

/// Brings the ledger up to date with the word's operation, unless the word is another by now.
void semaphore::settle(std::uint64_t word) noexcept {
  std::atomic<std::uint64_t>& held = state_->ledger[slot_of(word)].held;
  std::uint64_t before = held.load();
  if (operation_of(word) == none || last_in(before) == number_of(word)) return;
  // Read before this look at the word, the entry is what it was before that operation, or what it is after it; and the
  // exchange below fails in the second case.
  if (((state_->word.load() ^ word) & ~somebody_sleeps) != 0) return;
  const std::uint32_t what = operation_of(word);
  const std::int32_t n = what == reclaimed ? 0 : held_in(before) + (what == taken ? 1 : -1);
  held.compare_exchange_strong(before, entry_of(n, number_of(word)));
}

/// The word, with the ledger up to date.
std::uint64_t semaphore::load() noexcept {
  for (;;) {
    const std::uint64_t word = state_->word.load();
    if (settled(word)) return word;
    settle(word);
  }
}

/// Precondition: the ledger is up to date with `seen`. False: the word has changed.
bool semaphore::commit(std::uint64_t seen, std::uint64_t value, std::uint32_t slot, std::uint32_t operation,
                       bool keep_sleepers) noexcept {
  std::uint32_t number = (number_of(seen) + 1) & number_mask;
  // The numbers go round: an entry that nobody has changed for so long must not look as if it were up to date.
  if (last_in(state_->ledger[slot].held.load()) == number) number = (number + 1) & number_mask;
  std::uint64_t next = value | std::uint64_t{slot | operation << 7 | number << 9} << 32;
  if (keep_sleepers) next |= somebody_sleeps;
  CENTIMANE_FAULT("share.semaphore.commit");
  if (!state_->word.compare_exchange_strong(seen, next)) return false;
  CENTIMANE_FAULT("share.semaphore.committed");
  settle(next);
  CENTIMANE_FAULT("share.semaphore.settled");
  return true;
}

void semaphore::wake() noexcept { platform::futex_wake(lower_half(state_->word)); }

std::uint32_t semaphore::my_entry() noexcept {
  if (initial_ == 0) return 0;
  const std::uint64_t generation = platform::fork_generation();
  const std::uint64_t known = mine_.load(std::memory_order_relaxed);
  if (known >> 32 == generation) return lower(known);
  const std::uint32_t found = find_entry(platform::this_process_identity().word());
  mine_.store(generation << 32 | found, std::memory_order_relaxed);
  return found;
}

/// This process's entry, or one that is free, or was a dead process's that held nothing; else the common one.
std::uint32_t semaphore::find_entry(std::uint64_t me) noexcept {
  for (std::uint32_t k = 1; k < entries; ++k) {
    if (state_->ledger[k].who.load() == me) return k;
  }
  for (std::uint32_t k = 1; k < entries; ++k) {
    std::uint64_t who = 0;
    if (state_->ledger[k].who.load() == 0 && state_->ledger[k].who.compare_exchange_strong(who, me)) return k;
  }
  for (std::uint32_t k = 1; k < entries; ++k) {
    entry& it = state_->ledger[k];
    std::uint64_t who = it.who.load();
    if (platform::is_alive(platform::process_identity::from_word(who))) continue;
    static_cast<void>(load());  // its last operation is in it now, and there will be no other but a reclaim
    std::uint64_t held = it.held.load();
    if (held_in(held) > 0 || !it.who.compare_exchange_strong(who, me)) continue;
    it.held.compare_exchange_strong(held, entry_of(0, last_in(held)));
    return k;
  }
  return 0;
}

bool semaphore::take_one(bool slept) noexcept {
  const std::uint32_t slot = my_entry();
  for (;;) {
    const std::uint64_t seen = load();
    const std::uint64_t value = value_of(seen);
    if (value == 0) return false;
    if (!commit(seen, value - 1, slot, initial_ == 0 ? none : taken, slept || (seen & somebody_sleeps) != 0)) continue;
    // Who was woken does not know who else sleeps, nor whether there is a permit for them: so one wakes the next.
    if (slept && value > 1) wake();
    return true;
  }
}

bool semaphore::try_take() noexcept { return take_one(false); }

semaphore::outcome semaphore::take(patience& wait) {
  if (take_one(false)) return outcome::taken;
  for (int k = 0; k < looks_before_sleep && !wait.none(); ++k) {
    if (value() != 0 && take_one(false)) return outcome::taken;
    platform::cpu_relax();
  }
  for (;;) {
    if (take_one(wait.slept())) return outcome::taken;
    if ((wait.slept() || wait.none()) && reclaim()) continue;
    if (wait.none()) return outcome::late;
    std::uint64_t seen = state_->word.load();
    if (value_of(seen) != 0) continue;
    if ((seen & somebody_sleeps) == 0) {
      if (!state_->word.compare_exchange_strong(seen, seen | somebody_sleeps)) continue;
      seen |= somebody_sleeps;
    }
    CENTIMANE_FAULT("share.semaphore.sleep");
    const patience::after ended = wait.sleep(lower_half(state_->word), lower(seen));
    CENTIMANE_FAULT("share.semaphore.woken");
    if (ended == patience::after::again) continue;
    if (ended == patience::after::late && !wait.slept()) {
      wait.give_up();  // one more look, at the ledger too
      continue;
    }
    if (value() != 0) wake();  // in place of this one, which leaves without it
    return ended == patience::after::late ? outcome::late : outcome::stopped;
  }
}

/// Whose permit a process gives back: its own if it holds one, else somebody's who does (permits are alike, and who
/// hands one over to be given back elsewhere holds it no more). Nothing: nobody holds any, the value grows.
std::optional<std::uint32_t> semaphore::giver() noexcept {
  if (initial_ == 0) return std::nullopt;
  const std::uint32_t mine = my_entry();
  if (held_in(state_->ledger[mine].held.load()) > 0) return mine;
  for (std::uint32_t k = 0; k < entries; ++k) {
    if (held_in(state_->ledger[k].held.load()) > 0) return k;
  }
  return std::nullopt;
}

bool semaphore::give_back() noexcept {
  for (;;) {
    const std::uint64_t seen = load();
    const std::uint64_t value = value_of(seen);
    if (value >= max_) return false;
    const std::optional<std::uint32_t> slot = giver();
    if (!commit(seen, value + 1, slot.value_or(0), slot ? given : none, false)) continue;
    if ((seen & somebody_sleeps) != 0) wake();
    return true;
  }
}

/// Gives back what one dead process held. False: there is none.
bool semaphore::reclaim() noexcept {
  if (initial_ == 0) return false;
  for (std::uint32_t k = 1; k < entries; ++k) {
    for (;;) {
      const std::uint64_t seen = load();
      const std::int64_t held = held_in(state_->ledger[k].held.load());
      if (held <= 0) break;
      const auto who = platform::process_identity::from_word(state_->ledger[k].who.load());
      if (who == platform::this_process_identity() || platform::is_alive(who)) break;
      std::int64_t others = 0;
      for (std::uint32_t other = 0; other < entries; ++other) {
        if (other != k) others += std::max<std::int64_t>(0, held_in(state_->ledger[other].held.load()));
      }
      const auto value = static_cast<std::int64_t>(value_of(seen));
      const std::int64_t after = std::max(value, std::min<std::int64_t>(value + held, initial_ - others));
      CENTIMANE_FAULT("share.semaphore.reclaim");
      // What was read of the ledger belongs to `seen`: no entry changes but with the word.
      if (!commit(seen, static_cast<std::uint64_t>(after), k, reclaimed, false)) continue;
      if ((seen & somebody_sleeps) != 0 && after > 0) wake();
      if (after > value) return true;
      break;
    }
  }
  return false;
}

std::int32_t semaphore::held_here() const noexcept {
  const std::uint64_t me = platform::this_process_identity().word();
  std::int32_t all = 0;
  for (std::uint32_t k = 1; k < entries; ++k) {
    if (state_->ledger[k].who.load() == me) all += held_in(state_->ledger[k].held.load());
  }
  return all;
}

}  // namespace centimane::share
