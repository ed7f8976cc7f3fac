// What a stream has settled and not yet emitted: run_order, for streams that keep the order of the input, and
// loose_order, for those that do not. Pure bookkeeping in ranges and bits; cost O(1) an item, over all, whatever the
// window.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "centimane/detail/words.hpp"

namespace centimane::policy {

/// [first, first + count).
struct stretch {
  index first = 0, count = 0;
};

/// Hands out in order. What settles at the frontier moves a counter; what overtakes it is a bit in a ring that grows to
/// the distance actually overtaken, not to the window.
class run_order {
 public:
  void settled(index first, index n) {
    if (first == ready_ && ahead_ == 0) {
      ready_ += n;
    } else {
      overtake(first, n);
    }
  }
  /// All that follows what was handed out before; count 0 if the next item has not settled.
  stretch take() {
    const stretch s{taken_, ready_ - taken_};
    taken_ = ready_;
    return s;
  }
  [[nodiscard]] bool empty() const { return taken_ == ready_; }

 private:
  void overtake(index first, index n);
  void mark(index first, index n);
  void advance();
  void grow(index last);
  std::uint64_t& word(index item) { return words_[(item / 64) & (words_.size() - 1)]; }

  index ready_ = 0;                   ///< everything below has settled
  index taken_ = 0;                   ///< everything below has been handed out
  index ahead_ = 0;                   ///< bits set
  std::vector<std::uint64_t> words_;  ///< ring a power of two; item i is bit i % 64 of word i / 64, modulo the ring
};

/// Hands out in the order of settling, first in first out: a stream's consumer waits for no item longer than it must.
class loose_order {
 public:
  void settled(index first, index n);
  stretch take();
  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  std::deque<stretch> waiting_;
};

}  // namespace centimane::policy
