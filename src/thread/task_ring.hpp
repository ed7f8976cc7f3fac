// The queue of a thread pool: a bounded ring of callables for many producers and consumers, with an unbounded list
// behind it that takes what the ring cannot. A slot fills one cache line; pushing and popping cost one compare-exchange
// each.
//
// Promise about sleeping: a push makes empty() false, in the single order of sequentially consistent operations, before
// it returns; pop may miss a task whose push has not returned yet, but empty() does not. Tasks come out in the order in
// which they went in, but for those that several threads push or pop at once.
//
// Thread safety: any thread, all functions.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "centimane/detail/small_function.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class task_ring {
 public:
  /// capacity: a power of two.
  explicit task_ring(std::size_t capacity) : slots_(std::make_unique<slot[]>(capacity)), mask_(capacity - 1) {
    for (std::size_t i = 0; i < capacity; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
  }

  /// Throws std::bad_alloc if the ring is full and the list cannot grow; the task is then still the caller's.
  void push(small_function&& task) {
    if (spilled_.load(std::memory_order_relaxed) == 0 && try_push(task)) return;
    const std::lock_guard lock(mutex_);
    spill_.push_back(std::move(task));
    spilled_.fetch_add(1);
  }

  /// False: nothing to take just now.
  [[nodiscard]] bool pop(small_function& out) {
    if (try_pop(out)) return true;
    return spilled_.load(std::memory_order_relaxed) != 0 && refill(out);
  }

  [[nodiscard]] bool empty() const noexcept {
    // A pop between the two loads can only make the ring look fuller than it is.
    const std::uint64_t first = head_.load();
    return tail_.load() == first && spilled_.load() == 0;
  }

 private:
  struct alignas(64) slot {
    std::atomic<std::uint64_t> turn;  ///< position: free for its push; position + 1: filled for its pop
    small_function task;
  };
  static_assert(sizeof(slot) == 64);

  bool try_push(small_function& task) noexcept {
    std::uint64_t at = tail_.load(std::memory_order_relaxed);
    for (;;) {
      slot& s = slots_[at & mask_];
      const auto ahead = static_cast<std::int64_t>(s.turn.load(std::memory_order_acquire) - at);
      if (ahead < 0) return false;
      if (ahead > 0) {
        at = tail_.load(std::memory_order_relaxed);
      } else if (tail_.compare_exchange_weak(at, at + 1)) {
        s.task = std::move(task);
        s.turn.store(at + 1, std::memory_order_release);
        return true;
      }
    }
  }

  bool try_pop(small_function& out) noexcept {
    std::uint64_t at = head_.load(std::memory_order_relaxed);
    for (;;) {
      slot& s = slots_[at & mask_];
      const auto ahead = static_cast<std::int64_t>(s.turn.load(std::memory_order_acquire) - (at + 1));
      if (ahead < 0) return false;
      if (ahead > 0) {
        at = head_.load(std::memory_order_relaxed);
      } else if (head_.compare_exchange_weak(at, at + 1)) {
        out = std::move(s.task);
        s.turn.store(at + mask_ + 1, std::memory_order_release);
        return true;
      }
    }
  }

  /// Takes the oldest of the list and moves as many others into the ring as fit.
  bool refill(small_function& out) {
    const std::lock_guard lock(mutex_);
    if (spill_.empty()) return try_pop(out);
    // The ring may have been filled since; what is in it is older.
    if (!try_pop(out)) {
      out = std::move(spill_.front());
      spill_.pop_front();
      spilled_.fetch_sub(1);
    }
    std::uint64_t moved = 0;
    while (moved < mask_ / 2 && !spill_.empty() && try_push(spill_.front())) {
      spill_.pop_front();
      ++moved;
    }
    if (moved != 0) spilled_.fetch_sub(moved);
    return true;
  }

  std::unique_ptr<slot[]> slots_;
  std::uint64_t mask_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> spilled_{0};  ///< what is in the list, or on its way from there into the ring
  std::mutex mutex_;
  std::deque<small_function> spill_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
