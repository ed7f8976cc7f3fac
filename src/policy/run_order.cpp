#include "policy/run_order.hpp"

#include <algorithm>
#include <bit>

namespace centimane::policy {

void run_order::overtake(index first, index n) {
  if (first == ready_) {
    ready_ += n;
    advance();
  } else if (n > 0) {
    grow(first + n - 1);
    mark(first, n);
  }
}

void run_order::mark(index first, index n) {
  ahead_ += n;
  while (n > 0) {
    const index bit = first % 64;
    const index here = std::min<index>(64 - bit, n);
    const std::uint64_t ones = here == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
    word(first) |= ones << bit;
    first += here;
    n -= here;
  }
}

/// Moves the frontier over what had overtaken it, a word at a time.
void run_order::advance() {
  while (ahead_ > 0) {
    std::uint64_t& here = word(ready_);
    const index bit = ready_ % 64;
    const auto ones = static_cast<index>(std::countr_one(here >> bit));
    if (ones == 0) return;
    here = bit + ones == 64 ? 0 : here & (~std::uint64_t{0} << (bit + ones));
    ready_ += ones;
    ahead_ -= ones;
    if (bit + ones < 64) return;
  }
}

/// Makes the ring hold everything from the frontier to `last`. Doubling keeps the cost O(1) an item; words below the
/// frontier's own are empty, so each old word has one new place.
void run_order::grow(index last) {
  const index needed = last / 64 - ready_ / 64 + 1;
  if (needed <= words_.size()) return;
  std::vector<std::uint64_t> old(std::bit_ceil(static_cast<std::size_t>(needed)));
  old.swap(words_);
  for (index k = 0; k < old.size(); ++k) {
    const index place = ready_ / 64 + k;
    words_[place & (words_.size() - 1)] = old[place & (old.size() - 1)];
  }
}

void loose_order::settled(index first, index n) {
  if (!waiting_.empty() && waiting_.back().first + waiting_.back().count == first) {
    waiting_.back().count += n;
  } else {
    waiting_.push_back({first, n});
  }
}

stretch loose_order::take() {
  if (waiting_.empty()) return {};
  const stretch s = waiting_.front();
  waiting_.pop_front();
  return s;
}

}  // namespace centimane::policy
