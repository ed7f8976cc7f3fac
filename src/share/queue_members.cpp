#include "share/queue_members.hpp"

#include <algorithm>

#include "platform/cpu_relax.hpp"
#include "platform/fault.hpp"
#include "platform/fork_generation.hpp"
#include "platform/process_identity.hpp"

namespace centimane::share {
namespace {

using platform::process_identity;

bool lives(std::uint64_t who) noexcept { return platform::is_alive(process_identity::from_word(who)); }

/// Nobody: what stands for a process that has left and still held tasks.
constexpr std::uint64_t left = process_identity{-1, 0}.word();

}  // namespace

queue_members::~queue_members() {
  if (generation_.load(std::memory_order_relaxed) != platform::fork_generation()) return;  // the original's, not ours
  member* me = mine();
  if (me == nullptr) return;
  const holding held = holding::from_word(me->ledger.load());
  me->who.store(held.tasks == 0 ? 0 : left);
}

void queue_members::be_here() noexcept {
  if (generation_.load(std::memory_order_acquire) != platform::fork_generation()) enter();
}

void queue_members::enter() noexcept {
  const std::uint64_t me = platform::this_process_identity().word();
  if (!claim(me)) {
    mine_.store(nullptr, std::memory_order_relaxed);
    at_.crowded.store(1);
  }
  generation_.store(platform::fork_generation(), std::memory_order_release);
}

bool queue_members::claim(std::uint64_t me) noexcept {
  for (member& it : at_.members) {
    if (it.who.load() != me) continue;
    mine_.store(&it, std::memory_order_relaxed);
    return true;
  }
  for (const bool of_the_dead : {false, true}) {
    for (member& it : at_.members) {
      std::uint64_t who = it.who.load();
      if (who != 0 && (!of_the_dead || it.ledger.load() << 32 != 0 || lives(who))) continue;
      if (!it.who.compare_exchange_strong(who, me)) continue;
      it.ledger.store(0);
      at_.joined.fetch_add(1);
      mine_.store(&it, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

bool queue_members::others_live() const noexcept {
  if (at_.crowded.load() != 0) return true;
  const std::uint64_t me = platform::this_process_identity().word();
  return std::any_of(at_.members.begin(), at_.members.end(), [&](const member& it) {
    const std::uint64_t who = it.who.load();
    return who != 0 && who != me && lives(who);
  });
}

bool queue_members::alone() const noexcept { return at_.joined.load() > 1 && !others_live(); }

// ---- tasks

void queue_members::take_task(std::uint32_t taken) noexcept {
  member* me = mine();
  if (me == nullptr) return;
  std::uint64_t word = me->ledger.load();
  holding held;
  do {
    held = holding::from_word(word);
    held = {held.real(taken - 1) + 1, taken};  // what was taken last is committed, or has never been
  } while (!me->ledger.compare_exchange_weak(word, held.word()));
}

bool queue_members::task_done() noexcept {
  be_here();
  std::uint32_t done = at_.done.load();
  do {
    if (place::from_word(at_.producers.tail.load()).items == done) return false;
  } while (!at_.done.compare_exchange_weak(done, done + 1));
  CENTIMANE_FAULT("share.queue.done.counted");
  if (member* me = mine()) {
    std::uint64_t word = me->ledger.load();
    holding held;
    do {
      held = holding::from_word(word);
      --held.tasks;
    } while (!me->ledger.compare_exchange_weak(word, held.word()));
  }
  CENTIMANE_FAULT("share.queue.done.noted");
  if (!unfinished()) at_.all_done.ring_all();
  return true;
}

bool queue_members::unfinished() const noexcept {
  return place::from_word(at_.producers.tail.load()).items != at_.done.load();
}

/// Tasks that were taken, are not done, and that no process which lives holds. Task by task it cannot be told, so the
/// least that fits is answered: a task may be done by another process than took it, and one that dies between counting
/// a task as done and noting it leaves a ledger that holds one too many.
std::uint32_t queue_members::lost() const noexcept {
  const std::uint32_t taken = place::from_word(at_.consumers.head.load()).items;
  std::int64_t of_the_dead = 0, of_the_living = 0, done_for_others = 0;
  for (const member& it : at_.members) {
    const std::uint64_t who = it.who.load();
    const std::int32_t held = holding::from_word(it.ledger.load()).real(taken);
    if (who == 0 || held == 0) continue;
    if (!lives(who))
      of_the_dead += held;
    else if (held > 0)
      of_the_living += held;
    else
      done_for_others += held;
  }
  const auto held = std::int64_t{static_cast<std::int32_t>(taken - at_.done.load())};
  return static_cast<std::uint32_t>(
      std::max<std::int64_t>(0, std::min(held - of_the_living, of_the_dead + done_for_others)));
}

std::uint32_t queue_members::count_out_lost(std::int64_t lock_until) {
  if (at_.crowded.load() != 0) return 0;
  std::uint32_t done = at_.done.load();
  if (lost() == 0) return 0;
  // With nobody taking, what is read there is of one moment but for what is done meanwhile; then `done` is another.
  if (!at_.consumers.lock.lock_until(lock_until)) return 0;
  done = at_.done.load();
  std::uint32_t many = lost();
  if (many != 0 && !at_.done.compare_exchange_strong(done, done + many)) many = 0;
  if (many != 0) {
    for (member& it : at_.members) {
      const std::uint64_t who = it.who.load();
      std::uint64_t word = it.ledger.load();
      if (who == 0) continue;
      if (!lives(who))
        it.ledger.store(0);
      else if (holding::from_word(word).tasks < 0)  // what was done for others has been set against what they held
        it.ledger.compare_exchange_strong(word, holding{0, holding::from_word(word).last}.word());
    }
  }
  at_.consumers.lock.unlock();
  if (many != 0 && !unfinished()) at_.all_done.ring_all();
  return many;
}

void queue_members::wait_for_done(std::int64_t until) noexcept {
  const std::uint32_t seen = at_.all_done.announce();
  if (unfinished()) at_.all_done.sleep(seen, until);
}

}  // namespace centimane::share
