// What waits to be sent: a line of ranges for each run, and the runs' turns. A turn is as many items as one worker
// holds at most, or one item if it needs a worker to itself; so a run with ten million items cannot starve another.
// Also what is known of a run as long as it has anything in the fleet: its depth, its recall, how much workers hold of
// it. Cost: O(1) a range.
#pragma once
#include <cassert>
#include <unordered_map>
#include <vector>

#include "policy/fleet.hpp"
#include "policy/fleet_line.hpp"

namespace centimane::policy {

class run_queue {
 public:
  struct lane {
    std::uint32_t of = 0;
    std::uint32_t depth = 0;  ///< 0: as the fleet's
    bool recalled = false, hard = false;
    line waiting;
    index held = 0;  ///< by workers

   private:
    friend class run_queue;
    std::uint32_t before = 0, after = 0;  // in the circle of those that have something waiting
    index served = 0;                     // in this turn
  };

  [[nodiscard]] index items() const { return items_; }
  [[nodiscard]] bool empty() const { return items_ == 0; }
  [[nodiscard]] bool several() const { return turns_ > 1; }
  [[nodiscard]] std::uint32_t turns() const { return turns_; }  ///< how many runs have something waiting

  /// nullptr: nothing is known of that run.
  [[nodiscard]] lane* find(std::uint32_t of) {
    if (last_ < lanes_.size() && lanes_[last_].of == of && known_[last_]) return &lanes_[last_];
    const auto at = names_.find(of);
    if (at == names_.end()) return nullptr;
    last_ = at->second;
    return &lanes_[last_];
  }
  [[nodiscard]] const lane* find(std::uint32_t of) const {
    const auto at = names_.find(of);
    return at == names_.end() ? nullptr : &lanes_[at->second];
  }
  lane& know(std::uint32_t of);

  void push_back(const task& t) {
    lane& l = know(t.of);
    if (l.waiting.empty()) join(l);
    l.waiting.push_back(t);
    items_ += t.count;
  }
  void push_front(const task& t) {
    lane& l = know(t.of);
    if (l.waiting.empty()) join(l);
    l.waiting.push_front(t);
    items_ += t.count;
  }
  /// Takes up to n items of the lane's first range, to be held by a worker. `turn`: how many items make a turn.
  task take(lane& l, index n, index turn) {
    const task t = l.waiting.cut_front(n);
    items_ -= t.count;
    l.held += t.count;
    l.served += t.count;
    if (l.waiting.empty()) {
      leave(l);
    } else if (l.served >= turn) {
      end_turn(l);
    }
    return t;
  }
  /// Takes a whole range out of the line, to be reported.
  task drop(lane& l) {
    const task t = l.waiting.cut_front(l.waiting.front().count);
    items_ -= t.count;
    if (l.waiting.empty()) leave(l);
    return t;
  }
  /// A worker holds n items of that run no longer. What is not known any more needs no memory.
  void let_go(std::uint32_t of, index n) {
    lane* l = find(of);
    assert(l && l->held >= n);
    l->held -= n;
    forget_if_idle(*l);
  }
  void forget_if_idle(lane& l);

  /// Whose turn it is; only if not empty().
  [[nodiscard]] lane& head() { return lanes_[head_]; }
  [[nodiscard]] lane& after(const lane& l) { return lanes_[l.after]; }

 private:
  void join(lane& l);
  void leave(lane& l);
  void end_turn(lane& l) {
    leave(l);
    join(l);
  }

  std::vector<lane> lanes_;
  std::vector<bool> known_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::uint32_t, std::uint32_t> names_;  // run → lane
  std::uint32_t last_ = 0;                                  // the lane found last
  std::uint32_t head_ = 0, turns_ = 0;
  index items_ = 0;
};

}  // namespace centimane::policy
