#include "policy/fleet_queue.hpp"

namespace centimane::policy {

run_queue::lane& run_queue::know(std::uint32_t of) {
  if (lane* l = find(of)) return *l;
  std::uint32_t k = static_cast<std::uint32_t>(lanes_.size());
  if (free_.empty()) {
    lanes_.emplace_back();
    known_.push_back(true);
  } else {
    k = free_.back();
    free_.pop_back();
    known_[k] = true;
  }
  lanes_[k].of = of;
  names_[of] = last_ = k;
  return lanes_[k];
}

/// A recall ends when nothing of its run is left; a depth lasts until it is taken back.
void run_queue::forget_if_idle(lane& l) {
  if (l.held > 0 || !l.waiting.empty()) return;
  l.recalled = l.hard = false;
  l.served = 0;
  if (l.depth > 0) return;
  const auto k = static_cast<std::uint32_t>(&l - lanes_.data());
  names_.erase(l.of);
  known_[k] = false;
  free_.push_back(k);
}

/// Behind everybody who waits already.
void run_queue::join(lane& l) {
  const auto k = static_cast<std::uint32_t>(&l - lanes_.data());
  l.served = 0;
  if (turns_++ == 0) {
    head_ = l.before = l.after = k;
    return;
  }
  l.after = head_;
  l.before = lanes_[head_].before;
  lanes_[l.before].after = k;
  lanes_[head_].before = k;
}

void run_queue::leave(lane& l) {
  const auto k = static_cast<std::uint32_t>(&l - lanes_.data());
  lanes_[l.before].after = l.after;
  lanes_[l.after].before = l.before;
  if (head_ == k) head_ = l.after;
  --turns_;
}

}  // namespace centimane::policy
