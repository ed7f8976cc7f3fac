// Who of a pool's workers sleeps, and who is woken when work comes. At most one worker searches at a time; a submitter
// wakes nobody while one does; whoever finds work while more is queued wakes the next. So a burst wakes workers one
// after the other, a trickle keeps one awake, and a submit to a busy pool costs two loads.
//
// Why nobody sleeps for ever beside queued work. All operations named here are sequentially consistent.
//  submitter: P1 push; P2 read `searching`, `parked`; if nobody searches and somebody is parked: wake_one.
//  worker:    W1 enter the list (`parked`); W2 if it searched, `searching` = 0; W3 look at the queue again; sleep only
//  if it is empty. wake_one:  K1 `searching` 0 -> 1, else leave it to who has it; K2 take a worker from the list and
//  hand `searching` to it; if the list
//             is empty: K3 `searching` = 0, K4 look at the queue again: if there is work, from the start.
//             If it is not, D: the worker takes a task and then does F2 (it may have given `searching` up after a
//             submitter relied on it).
//  finder:    F1 `searching` = 0; F2 look at the queue again: if there is more, wake_one.
//  claimer:   a finder that took several tasks away and gave all but one back to its claim is a submitter of these: P2.
// A submitter that wakes nobody has seen searching = 1 (then W3, K4 or F2 of its holder comes after P1 and sees the
// task) or nobody parked (then every worker that parks later sees it at W3). Without K4 a submitter can rely on a
// holder that has already looked at the list, and a worker that parks at that moment hangs; the model in
// tests/cpp/thread goes through all interleavings.
//
// Thread safety: all functions but for one berth's park and leave, which are its thread's.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>

#include "centimane/detail/sleeper.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Where one worker lies while it sleeps; on its stack.
struct berth {
  explicit berth(sleeper& s) noexcept : whom(&s) {}
  sleeper* whom;
  berth* previous = nullptr;
  berth* next = nullptr;
  bool chosen = false;  ///< taken from the list by wake_one: its worker searches now
};

class parking {
 public:
  /// After a push. more(): is anything queued?
  template <class More>
  void notify(const More& more) {
    if (searching_.load() == 0 && parked_.load() != 0) wake_one(more);
  }

  /// Makes the caller the one that searches, if there is none.
  [[nodiscard]] bool search() noexcept {
    std::uint32_t none = 0;
    return searching_.load(std::memory_order_relaxed) == 0 && searching_.compare_exchange_strong(none, 1);
  }
  /// The searcher has found work, or stops for another reason.
  template <class More>
  void searched(const More& more) {
    searching_.store(0);
    pass_on(more);
  }
  /// Who has given up and then seen work took a task, or does something else.
  template <class More>
  void pass_on(const More& more) {
    if (parked_.load() != 0 && more()) wake_one(more);
  }
  /// The searcher has found nothing: to be called after park, and before it looks again.
  void give_up() noexcept { searching_.store(0); }

  void park(berth& b) {
    const std::lock_guard lock(mutex_);
    b.next = first_;
    if (first_ != nullptr) first_->previous = &b;
    first_ = &b;
    parked_.fetch_add(1);
  }
  /// True: the worker was chosen, and is the one that searches.
  [[nodiscard]] bool leave(berth& b) {
    const std::lock_guard lock(mutex_);
    if (!b.chosen) unlink(b);
    return b.chosen;
  }

 private:
  template <class More>
  void wake_one(const More& more) {
    while (search()) {
      std::unique_lock lock(mutex_);
      if (berth* b = first_) {
        unlink(*b);
        b->chosen = true;
        auto* const word = b->whom->signal();
        lock.unlock();  // the berth may be gone from here on
        sleeper::wake(word);
        return;
      }
      lock.unlock();
      searching_.store(0);
      if (parked_.load() == 0 || !more()) return;
    }
  }
  void unlink(berth& b) noexcept {
    (b.previous != nullptr ? b.previous->next : first_) = b.next;
    if (b.next != nullptr) b.next->previous = b.previous;
    parked_.fetch_sub(1);
  }

  alignas(64) std::atomic<std::uint32_t> searching_{0};
  std::atomic<std::uint32_t> parked_{0};
  std::mutex mutex_;
  berth* first_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
