// The inside of policy::fleet: what is known of each place, and the rules as functions of one purpose each.
//
// A place's life: absent → starting → open → (soft → open | dying) or leaving → absent; killed, it is dying until it is
// reported gone, or abandoned. Each place has at most one alarm, whose meaning follows from its life. What the shell is
// to do with a worker is kept as duties of its place, not as orders in a line: a duty is judged when it is handed out,
// so no order can outlive its reason. Reports stand in a line; they stay true whatever happens.
#pragma once
#include <cstdint>
#include <deque>
#include <unordered_set>
#include <vector>

#include "policy/fleet.hpp"
#include "policy/fleet_clock.hpp"
#include "policy/fleet_line.hpp"
#include "policy/fleet_queue.hpp"
#include "policy/fleet_ranks.hpp"

namespace centimane::policy {

class fleet::machine {
 public:
  explicit machine(const fleet_rules& rules);

  // ---- events (fleet_events.cpp)
  void submit(task t);
  void prepare(worker n) { ahead_ = std::max(ahead_, std::min(n, rules_.workers)); }
  void set_depth(std::uint32_t n);
  void set_depth(std::uint32_t of, std::uint32_t n);
  void recall(std::uint32_t of, bool hard);
  void close(nanos grace);
  void zygote_up();
  void zygote_lost();
  void ready(worker w);
  void start_error(worker w);
  void fork_failed(worker w, bool resource);
  void published(worker w, index n);
  void taken(worker w, index n);
  void full(worker w, index n);
  void seen(worker w, reach front, nanos since);
  void exited(worker w, reach front);
  void condemn(worker w);
  void recycle(worker w);

  // ---- what next (fleet_next.cpp)
  order next();
  void time_is(nanos now) { now_ = std::max(now_, now); }

 private:
  friend class fleet;

  enum duty : std::uint8_t { back = 1, stop = 2, end = 4, go = 8, peek = 16 };
  struct place {
    life at = life::absent;
    std::uint8_t duties = 0;  // what the shell is still to be told about it
    bool listed = false;      // it stands in the list of those that have duties
    bool settled = false;     // its first task is reported
    bool overtime = false;    // its first task is past its limit, and settled as soon as those behind it are ours
    bool looking = false;     // asked how far it is
    bool refused = false;     // nothing could be taken back: pointless until it publishes
    bool blocked = false;     // its channel is full: nothing fits until it publishes
    bool outgoing = false;    // it has an heir, or asked to go: nothing more is sent to it
    bool was_ready = false;
    bool counts = false, busy = false;  // how it stands in alive_ and busy_
    line held;
    std::uint64_t sent = 0, done = 0;
    index asked = 0;      // how many it was asked to give back
    nanos due = never;    // when its patience ends: starting, soft, leaving, dying; open: when to try again if full
    nanos clock = never;  // when to look at its first task
    nanos since = never;  // since when that runs, as far as it is known
    nanos arrived = 0;    // when that came to the front; when the last task was done, if none is left
  };
  enum class seed : std::uint8_t { down, coming, up };

  // ---- what follows from an event (fleet_places.cpp)
  void refile(worker w);
  void rearm(worker w);
  [[nodiscard]] nanos alarm(const place& p) const;
  void charge(worker w, std::uint8_t duties);
  void vacate(worker w);
  void bury(worker w, reach front);
  void kill(worker w);
  void settle(worker w, outcome how);
  void give_back(task piece, worker from);
  void report(const task& t, outcome how, reach where, worker w = nobody, failure why = failure::none);
  void report_at_end(const task& t, reach where, worker w);
  void clear_queue();
  void shut_down();
  nanos start_failed();
  void fail(failure why);
  [[nodiscard]] bool ending() const { return closing_ || failed_ != failure::none; }
  [[nodiscard]] std::uint64_t quota(const place& p) const { return rules_.max_tasks - p.sent; }
  [[nodiscard]] bool takes_tasks(worker w) const;
  [[nodiscard]] bool may_be_robbed(const place& p) const;
  [[nodiscard]] std::uint32_t depth_of(const run_queue::lane& l) const {
    return l.depth == 0 ? depth_ : std::min(l.depth, depth_);
  }

  // ---- what next (fleet_next.cpp)
  bool hand_out(order& o);
  [[nodiscard]] index to_take_back(worker w) const;
  void ring(worker w);
  void abandon(worker w, reach front);
  void sweep();
  bool serve(order& o);
  [[nodiscard]] bool fits(const place& p, const run_queue::lane& l) const;
  order send(worker w, run_queue::lane& l);
  bool fork(order& o);
  void name_elder();
  [[nodiscard]] bool work_for_another() const;
  bool rob(order& o);
  void unkeep();

  fleet_rules rules_;
  std::uint32_t depth_;
  std::vector<place> places_;
  std::vector<worker> absent_;  // empty places, the next to be used last
  std::vector<worker> listed_;  // places with duties, in order; from listed_next_ on
  std::size_t listed_next_ = 0;
  ranks ready_;  // those that may be sent something, by load
  ranks rich_;   // those that something may be taken back from, by load
  alarm_clock clock_;
  run_queue queue_;
  std::deque<order> reports_;
  std::deque<nanos> failures_;                  // when workers failed to start, lately
  std::unordered_set<std::uint64_t> suspects_;  // items that began and whose worker died
  nanos now_ = 0;
  index held_ = 0;    // items, by all
  worker alive_ = 0;  // starting, or taking tasks now or again: as many as `workers` are wanted
  worker starting_ = 0, busy_ = 0, living_ = 0, up_ = 0;
  worker ahead_ = 0;      // workers wanted whatever is queued
  worker kept_ = nobody;  // a worker that is let run dry …
  std::uint64_t kept_done_ = 0;
  std::uint64_t ended_ = 1, ended_at_turn_ = 0;  // how often a task or a worker ended
  std::uint32_t kept_for_ = 0;                   // … for a run that needs it free and whose turn it is
  std::uint32_t hard_recalls_ = 0;               // runs recalled hard, ever: spares most fleets a question
  seed zygote_ = seed::down;
  nanos zygote_at_ = 0, fork_at_ = 0, kill_at_ = never;
  nanos none_since_ = never;  // since when the machine has had no room for a single worker
  bool short_ = false;        // it lacks resources: one try at a time
  bool closing_ = false, swept_ = false;
  failure failed_ = failure::none;
};

}  // namespace centimane::policy
