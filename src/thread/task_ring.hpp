// The queue of a thread pool: a bounded ring of callables for many producers and consumers, with an unbounded list
// behind it that takes what the ring cannot. A slot fills one cache line; pushing costs one compare-exchange.
//
// Workers claim several tasks of a long queue at once, so that the ring's head does not wander between processors with
// each task. What is claimed stays in its slots, and is taken one by one, with a compare-exchange on the worker's own
// `claim`, by whoever is first: its worker, or any other that finds nothing else. So no task waits behind a long one
// while a hand is free. A slot is free again only when its task was taken; a claim that lies still (its worker's task
// is long) therefore stops the ring after one lap, and the others come to it.
//
// Promise about sleeping: a push makes empty() false, in the single order of sequentially consistent operations, before
// it returns; pop may miss a task whose push has not returned yet, but empty() does not. Who claims (pop answers
// `several`) has taken what it claimed away and given it back: between the two, empty() may miss it. So it counts as a
// push of what it claimed, and must be followed by what follows a push. Tasks come out in the order in which they went
// in, but for those that several threads push or take at once, and but for a lap of the ring.
//
// Thread safety: any thread, all functions; a claim is given to pop by one thread only.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "centimane/detail/small_function.hpp"
#include "platform/cpu_relax.hpp"
#include "platform/prefetch.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class task_ring {
 public:
  /// The tasks of one worker that it has not begun. Two lines: processors fetch them in pairs.
  class alignas(128) claim {
    friend class task_ring;
    std::atomic<std::uint64_t> word_{0};  ///< position of the first << count_bits | how many
  };
  enum class popped : std::uint8_t { none, one, several };
  enum class patience : bool { none, some };

  /// capacity: a power of two. workers: how many have a claim.
  task_ring(std::size_t capacity, std::size_t workers)
      : slots_(std::make_unique<slot[]>(capacity)),
        mask_(capacity - 1),
        claims_(std::make_unique<claim[]>(workers)),
        workers_(workers) {
    for (std::size_t i = 0; i < capacity; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
  }
  [[nodiscard]] claim& claim_of(std::size_t worker) noexcept { return claims_[worker]; }

  /// Throws std::bad_alloc if the ring is full and the list cannot grow; the task is then still the caller's. `some`
  /// patience waits a moment for room first: tasks that are run as fast as they are pushed need no list.
  void push(small_function&& task, patience how = patience::none) {
    if (spilled_.load(std::memory_order_relaxed) == 0) {
      if (try_push(task)) return;
      for (int i = 0; how == patience::some && i < patient_looks; ++i) {
        platform::cpu_relax();
        if (try_push(task)) return;
      }
    }
    const std::lock_guard lock(mutex_);
    if (spill_.empty() || spill_.back().size() == block_tasks) {
      spill_.emplace_back(std::exchange(spare_, {}));
      spilled_.fetch_add(1);
    }
    if (spill_.back().capacity() == 0) spill_.back().reserve(block_tasks);
    spill_.back().push_back(std::move(task));
  }

  /// none: there is nothing to take just now. mine: the calling worker's claim.
  [[nodiscard]] popped pop(small_function& out, claim* mine = nullptr) {
    if (mine != nullptr && take(*mine, out)) return popped::one;
    if (const popped got = pop_ring(out, mine); got != popped::none) return got;
    for (claim& other : std::span(claims_.get(), workers_)) {
      if (take(other, out)) return popped::one;
    }
    return spilled_.load(std::memory_order_relaxed) != 0 && refill(out) ? popped::one : popped::none;
  }

  [[nodiscard]] bool empty() const noexcept {
    // In the direction in which tasks move: list, ring, claims. What moves meanwhile is met again.
    if (spilled_.load() != 0) return false;
    // A pop between the two loads can only make the ring look fuller than it is.
    const std::uint64_t first = head_.load();
    if (tail_.load() != first) return false;
    return std::none_of(claims_.get(), claims_.get() + workers_,
                        [](const claim& c) { return (c.word_.load() & count_mask) != 0; });
  }

 private:
  struct alignas(64) slot {
    std::atomic<std::uint64_t> turn;  ///< position: free for its push; position + 1: filled for its pop
    small_function task;
  };
  static_assert(sizeof(slot) == 64);

  static constexpr unsigned count_bits = 8;
  static constexpr std::uint64_t count_mask = (1U << count_bits) - 1;
  /// The most that a worker claims: enough to make the head's journeys rare.
  static constexpr std::uint64_t most_claimed = 16;
  /// How many slots ahead a producer asks for: the time it takes a line to come.
  static constexpr std::uint64_t ahead_of_push = 6;
  /// One or two microseconds.
  static constexpr int patient_looks = 32;

  static constexpr std::size_t block_tasks = 256;
  using block = std::vector<small_function>;

  bool try_push(small_function& task) noexcept {
    std::uint64_t at = tail_.load(std::memory_order_relaxed);
    for (;;) {
      slot& s = slots_[at & mask_];
      const auto ahead = static_cast<std::int64_t>(s.turn.load(std::memory_order_acquire) - at);
      if (ahead < 0) return false;
      if (ahead > 0) {
        at = tail_.load(std::memory_order_relaxed);
      } else if (tail_.compare_exchange_weak(at, at + 1)) {
        platform::prefetch_for_write(&slots_[(at + ahead_of_push) & mask_]);
        s.task = std::move(task);
        s.turn.store(at + 1, std::memory_order_release);
        return true;
      }
    }
  }

  void move_out(std::uint64_t at, small_function& out) noexcept {
    slot& s = slots_[at & mask_];
    out = std::move(s.task);
    s.turn.store(at + mask_ + 1, std::memory_order_release);
  }

  /// The oldest task of a claim.
  bool take(claim& c, small_function& out) noexcept {
    std::uint64_t word = c.word_.load(std::memory_order_relaxed);
    while ((word & count_mask) != 0) {
      // A position is claimed once, so a word never comes back.
      if (c.word_.compare_exchange_weak(word, word + (1U << count_bits) - 1)) {
        move_out(word >> count_bits, out);
        return true;
      }
    }
    return false;
  }

  /// Takes the oldest task of the ring; with a claim (empty then) also claims some of those that follow, so many that
  /// several workers find enough each.
  popped pop_ring(small_function& out, claim* mine) noexcept {
    std::uint64_t at = head_.load(std::memory_order_relaxed);
    for (;;) {
      const auto ahead = static_cast<std::int64_t>(slots_[at & mask_].turn.load(std::memory_order_acquire) - (at + 1));
      if (ahead < 0) return popped::none;
      if (ahead > 0) {
        at = head_.load(std::memory_order_relaxed);
        continue;
      }
      std::uint64_t n = 1;
      if (mine != nullptr) {
        const auto queued = static_cast<std::int64_t>(tail_.load(std::memory_order_relaxed) - at);
        const auto share = static_cast<std::uint64_t>(std::max<std::int64_t>(queued, 0)) / (2 * workers_);
        const std::uint64_t wanted = std::min(share, most_claimed);
        for (std::uint64_t k = 1; k < wanted; ++k) platform::prefetch_for_write(&slots_[(at + k) & mask_]);
        while (n < wanted && slots_[(at + n) & mask_].turn.load(std::memory_order_acquire) == at + n + 1) ++n;
      }
      if (head_.compare_exchange_weak(at, at + n)) {
        if (n > 1) mine->word_.store((at + 1) << count_bits | (n - 1));
        move_out(at, out);
        return n > 1 ? popped::several : popped::one;
      }
    }
  }

  /// Takes the oldest of the list and moves as many others into the ring as fit. One thread at a time does it, without
  /// the lock: producers need not wait for it.
  bool refill(small_function& out) {
    {
      const std::lock_guard lock(mutex_);
      if (moving_) return false;
      if (next_ == block_.size()) {
        if (spill_.empty()) return pop_ring(out, nullptr) != popped::none;
        block_.clear();
        next_ = 0;
        block_.swap(spill_.front());
        spare_ = std::move(spill_.front());
        spill_.pop_front();
      }
      moving_ = true;
    }
    // The ring may have been filled since; what is in it is older.
    if (pop_ring(out, nullptr) == popped::none && next_ < block_.size()) out = std::move(block_[next_++]);
    while (next_ < block_.size() && try_push(block_[next_])) ++next_;
    const bool all = next_ == block_.size();
    {
      const std::lock_guard lock(mutex_);
      moving_ = false;
    }
    if (all) spilled_.fetch_sub(1);
    return static_cast<bool>(out);  // a block whose memory could not be had is empty
  }

  std::unique_ptr<slot[]> slots_;
  std::uint64_t mask_;
  std::unique_ptr<claim[]> claims_;
  std::size_t workers_;
  alignas(128) std::atomic<std::uint64_t> tail_{0};
  alignas(128) std::atomic<std::uint64_t> head_{0};
  alignas(128) std::atomic<std::uint64_t> spilled_{0};  ///< blocks of the list, and the one that is moved into the ring
  alignas(128) std::mutex mutex_;                       ///< what follows
  std::deque<block> spill_;                             ///< none of them empty, but for one without memory
  block spare_;                                         ///< memory for the next
  bool moving_ = false;                                 ///< somebody has the next two
  block block_;                                         ///< older than the list: what is moved
  std::size_t next_ = 0;                                ///< the first of it that has not been moved
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
