// One alarm a worker, the earliest first: a binary heap that knows where each worker stands in it.
// Cost: O(log workers) to set or clear, O(1) to ask.
#pragma once
#include <utility>
#include <vector>

#include "policy/fleet.hpp"

namespace centimane::policy {

class alarm_clock {
 public:
  explicit alarm_clock(worker places) : at_(places, none), due_(places, never) { heap_.reserve(places); }

  [[nodiscard]] nanos due(worker w) const { return due_[w]; }
  [[nodiscard]] nanos first_due() const { return heap_.empty() ? never : due_[heap_.front()]; }
  [[nodiscard]] worker first() const { return heap_.front(); }

  /// never: no alarm.
  void set(worker w, nanos due) {
    if (due == never) {
      clear(w);
      return;
    }
    due_[w] = due;
    if (at_[w] == none) {
      at_[w] = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back(w);
    }
    rise(at_[w]);
    sink(at_[w]);
  }

  void clear(worker w) {
    const std::uint32_t hole = at_[w];
    due_[w] = never;
    if (hole == none) return;
    at_[w] = none;
    const worker last = heap_.back();
    heap_.pop_back();
    if (last == w) return;
    heap_[hole] = last;
    at_[last] = hole;
    rise(hole);
    sink(at_[last]);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  void swap(std::uint32_t a, std::uint32_t b) {
    std::swap(heap_[a], heap_[b]);
    at_[heap_[a]] = a;
    at_[heap_[b]] = b;
  }
  void rise(std::uint32_t k) {
    for (; k > 0 && due_[heap_[k]] < due_[heap_[(k - 1) / 2]]; k = (k - 1) / 2) swap(k, (k - 1) / 2);
  }
  void sink(std::uint32_t k) {
    for (;;) {
      std::uint32_t least = k;
      for (std::uint32_t child = 2 * k + 1; child <= 2 * k + 2 && child < heap_.size(); ++child) {
        if (due_[heap_[child]] < due_[heap_[least]]) least = child;
      }
      if (least == k) return;
      swap(k, least);
      k = least;
    }
  }

  std::vector<worker> heap_;
  std::vector<std::uint32_t> at_;  // where a worker stands in the heap
  std::vector<nanos> due_;
};

}  // namespace centimane::policy
