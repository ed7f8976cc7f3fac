// A simulated machine for policy::fleet: a zygote, worker processes and their rings under a clock of its own. Processes
// start, claim, run, hang, publish, are stopped, are killed and run out of resources at any step, as a seeded generator
// says; the shell drains late, refuses what does not fit, and answers as the contract in policy/fleet.hpp allows. Every
// order is checked against what the world knows and the fleet is not told.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "fleet_coverage.hpp"
#include "policy/fleet.hpp"

namespace simulation {

using namespace centimane::policy;

/// Each fault comes about once in so many chances; 0: never.
struct bad_luck {
  std::uint32_t death = 0, zygote = 0, start = 0, fork = 0, broke = 0, stop = 0, hang = 0, full = 0, unkillable = 0,
                condemn = 0, recycle = 0;
  bool lax = false;  ///< the shell takes back without draining first
};

class fleet_world {
 public:
  fleet_world(std::uint64_t seed, const fleet_rules& rules, const bad_luck& luck)
      : roll(seed),
        rules_(rules),
        luck_(luck),
        machine(rules),
        bodies_(rules.workers + 1),
        depth_(machine.depth()),
        deepest_(depth_) {}
  virtual ~fleet_world() = default;
  fleet_world(const fleet_world&) = delete;
  fleet_world& operator=(const fleet_world&) = delete;

 protected:
  enum class where : std::uint8_t { out, queued, held };
  /// What is known of one item of one run, in its last attempt.
  struct fact {
    bool recalled = false;
    std::uint32_t attempt = 0;
    where at = where::out;
    bool begun = false;
    bool owed = false;    ///< its worker died under it: must be reported
    bool killer = false;  ///< a worker died under the attempt before
    std::uint8_t claimed_deaths = 0;
  };
  struct lot {  ///< one run
    std::vector<fact> facts;
    bool recalled = false, hard = false;
    bool plain = true;  ///< never had an item that needs a free worker
    std::uint32_t depth = 0;
    index in = 0, queued = 0;
    index others = 0;  ///< items of other runs that were sent while this one waited
  };
  struct cell {  ///< a place in a ring
    std::uint32_t of = 0, attempt = 0;
    index item = 0;
    nanos limit = never;
    bool alone = false, reported = false;
  };
  struct body {  ///< a process
    bool exists = false, ready = false, killed = false, unkillable = false, retired = false, stopped = false;
    bool blocked = false, condemned = false, worn = false, soft = false;
    bool claimed = false, begun = false, hang = false, was_spent = false;
    std::vector<cell> ring;  ///< [0, drained) gone, [drained, finished) published, then what is to come
    std::size_t drained = 0, finished = 0;
    nanos since = 0, forked_at = 0, killed_at = 0, soft_at = -1, retired_at = 0, idle_since = 0, front_since = 0,
          full_until = 0;
    std::uint64_t sent = 0, ran = 0, done = 0;
    [[nodiscard]] std::size_t held() const { return ring.size() - drained; }
    [[nodiscard]] std::size_t unclaimed() const { return ring.size() - finished - (claimed ? 1 : 0); }
    [[nodiscard]] bool up() const { return ready && !killed; }
    void clear() {
      std::vector<cell> spare = std::move(ring);
      spare.clear();
      *this = body{};
      ring = std::move(spare);
    }
  };

  /// An item's attempt ended: with a value, or as the report says.
  virtual void item_ended(std::uint32_t of, index item, std::uint32_t attempt, outcome how, const order* report) = 0;

  // ---- what a test asks of the fleet
  void submit(const task& t);
  void recall(std::uint32_t of, bool hard);
  void close(nanos grace);
  void prepare(worker n) {
    if (n > prepared_) prepared_ = n;
    machine.prepare(n, now);
  }
  void set_depth(std::uint32_t n) {
    if (n < depth_) meet(rare::depth_lowered);
    depth_ = n;
    deepest_ = std::max(deepest_, n);
    machine.set_depth(n);
  }
  void set_depth(std::uint32_t of, std::uint32_t n) {
    lots_[of].depth = n;
    if (n > 0) lots_[of].plain = false;
    machine.set_depth(of, n);
  }

  // ---- time
  /// Obeys until the fleet waits. False: it is closed.
  bool obey_all();
  /// One process, the zygote or the shell does something, or nothing.
  void happen();
  void pass(bool to_alarm) {
    now = to_alarm && until_ != never && now < until_ ? until_ : now + static_cast<nanos>(roll(12));
  }
  /// No more faults, and what is stopped goes on. What hangs and has no limit hangs on.
  void calm_down() {
    luck_ = bad_luck{};
    broke_ = false;
    calm_ = true;
    for (body& b : bodies_) b.stopped = false;
  }
  [[nodiscard]] bool hopeless() const {  ///< something hangs for ever
    for (const body& b : bodies_) {
      if (b.hang && b.ring[b.finished].limit == never && !b.soft && !b.killed) return true;
    }
    return false;
  }

  dice roll;
  fleet_rules rules_;
  bad_luck luck_;
  fleet machine;
  std::vector<body> bodies_;
  std::array<lot, 4> lots_;
  nanos now = 0, until_ = never, close_until_ = never;
  std::uint32_t depth_, deepest_;
  worker prepared_ = 0;
  index in_ = 0;
  bool zygote_ = false, zygote_asked_ = false, closing_ = false, failed_ = false, broke_ = false, calm_ = false;

 private:
  void obey(const order& o);
  void sent(const order& o);
  void take_back(const order& o);
  void reported(const order& o);
  void killed(const order& o);
  void at_rest();
  void is_closed();
  void end_item(const cell& c, outcome how, const order* report);
  void drain(worker w);
  void step(worker w);
  void begin(worker w);
  void die(worker w);
  void let_fall(worker w, bool blame);
  void answer_fork(worker w);
  void lose_zygote();
  void start_failure(nanos before_next_fork);
  [[nodiscard]] bool chance(std::uint32_t n) { return n > 0 && roll.one_in(n); }
  [[nodiscard]] bool free(const body& b) const {
    return b.up() && !b.retired && !b.worn && !b.blocked && b.held() == 0 && b.sent < rules_.max_tasks;
  }

  std::deque<nanos> failures_;
  index owed_ = 0;
  nanos fork_not_before_ = 0;
  nanos none_since_ = never;
  bool must_fail_ = false;
};

}  // namespace simulation

#include "fleet_world_events.hpp"
#include "fleet_world_orders.hpp"
