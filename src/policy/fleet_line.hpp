// A line of ranges: items in order, held as ranges that are cut and joined as they come and go. Knows nothing of
// workers or runs. Cost: O(1) a range, whatever its length.
#pragma once
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <vector>

#include "policy/fleet.hpp"

namespace centimane::policy {

class line {
 public:
  [[nodiscard]] bool empty() const { return ranges_ == 0; }
  [[nodiscard]] index items() const { return items_; }
  [[nodiscard]] std::size_t ranges() const { return ranges_; }
  [[nodiscard]] const task& range(std::size_t k) const { return ring_[slot(k)]; }  ///< the k-th from the front
  [[nodiscard]] const task& front() const { return ring_[head_]; }
  [[nodiscard]] const task& back() const { return ring_[slot(ranges_ - 1)]; }

  void push_back(const task& t) {
    items_ += t.count;
    if (ranges_ > 0) {
      task& last = ring_[slot(ranges_ - 1)];
      if (follows(last, t)) {
        last.count += t.count;
        return;
      }
    }
    make_room();
    ring_[slot(ranges_++)] = t;
  }

  void push_front(const task& t) {
    items_ += t.count;
    if (ranges_ > 0 && follows(t, ring_[head_])) {
      ring_[head_].item = t.item;
      ring_[head_].count += t.count;
      return;
    }
    make_room();
    head_ = (head_ + ring_.size() - 1) & (ring_.size() - 1);
    ring_[head_] = t;
    ++ranges_;
  }

  /// Takes up to n items off the front, of one range.
  task cut_front(index n) {
    task& first = ring_[head_];
    task piece = first;
    piece.count = std::min(n, first.count);
    items_ -= piece.count;
    if (piece.count == first.count) {
      head_ = (head_ + 1) & (ring_.size() - 1);
      --ranges_;
    } else {
      first.item += piece.count;
      first.count -= piece.count;
    }
    return piece;
  }

  /// Takes up to n items off the back, of one range.
  task cut_back(index n) {
    task& last = ring_[slot(ranges_ - 1)];
    task piece = last;
    piece.count = std::min(n, last.count);
    piece.item += last.count - piece.count;
    items_ -= piece.count;
    last.count -= piece.count;
    if (last.count == 0) --ranges_;
    return piece;
  }

 private:
  /// Are a and then b one range?
  static bool follows(const task& a, const task& b) {
    return a.of == b.of && a.item + a.count == b.item && a.attempt == b.attempt && a.limit == b.limit &&
           a.parcel == b.parcel && a.resent == b.resent && a.alone == b.alone;
  }
  [[nodiscard]] std::size_t slot(std::size_t k) const { return (head_ + k) & (ring_.size() - 1); }
  void make_room() {
    if (ranges_ < ring_.size()) return;
    std::vector<task> wider(std::max<std::size_t>(4, ring_.size() * 2));
    for (std::size_t k = 0; k < ranges_; ++k) wider[k] = ring_[slot(k)];
    ring_ = std::move(wider);
    head_ = 0;
  }

  std::vector<task> ring_;  // size 0 or a power of two
  std::size_t head_ = 0, ranges_ = 0;
  index items_ = 0;
};

}  // namespace centimane::policy
