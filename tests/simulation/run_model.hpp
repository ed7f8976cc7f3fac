// What a run may and must do, told in the plainest way: an entry an item, scanned when in doubt. The simulation tells
// the model every event that it tells the machine, and shows it every answer of the machine.
#pragma once
#include <cstdint>
#include <vector>

#include "policy/run.hpp"
#include "run_coverage.hpp"

namespace simulation {

using centimane::policy::action;
using centimane::policy::further;
using centimane::policy::index;
using centimane::policy::limiter;
using centimane::policy::nanos;
using centimane::policy::never;
using centimane::policy::outcome;
using centimane::policy::rules;
using centimane::policy::run;
using centimane::policy::status;

/// The limiter's promise: every token ever given, and when the next may be.
class meter {
 public:
  void reset() { on_ = false; }
  void reset(index count, nanos per, index burst);
  [[nodiscard]] bool on() const { return on_; }
  [[nodiscard]] index available(nanos now) const;
  /// Those that come within `ahead` counted.
  [[nodiscard]] index expected(nanos now, nanos ahead) const;
  [[nodiscard]] nanos ready_at(nanos now) const;
  void take(nanos now, index n);
  void pause_until(nanos t) { paused_ = t > paused_ ? t : paused_; }

 private:
  bool on_ = false;
  index most_ = 0;  ///< in any half-open span of per_
  index burst_ = 1;
  nanos per_ = 0, period_ = 1, even_ = 0, paused_ = 0;
  std::vector<nanos> given_;
};

class run_model {
 public:
  explicit run_model(coverage<met_in_run>& seen) : seen_(seen) {}

  struct entry {
    enum place : std::uint8_t { fresh, recorded, live, waiting, settled } at = fresh;
    bool emitted = false;
    std::uint32_t tries = 0;         ///< attempts that began
    std::uint64_t in = 0, out = 0;   ///< bytes of the item and of its outcome
    nanos due_from = 0, due_to = 0;  ///< waiting: its next attempt is due somewhere in here
  };

  void reset(const rules& r);

  // ---- events, told before the machine is told
  void arrives(std::uint64_t bytes);
  void is_recorded(index i, std::uint64_t bytes);
  void source_answers(bool ended, bool failed);
  void succeeds(index i, std::uint64_t bytes);
  /// What run::ended must answer.
  bool ends(index i, std::uint32_t attempt, outcome how, bool retryable, nanos server_wait, nanos now);
  std::uint64_t reads_next();  ///< the consumer is done with the oldest; its bytes
  void stops(bool hard);
  /// Time and the checkpoint, as they are when the machine is asked.
  void looks(nanos now, const run& m);

  // ---- answers of the machine
  void check_start(const action& a, nanos now, index room, further more);
  void check_pull(const action& a, nanos now, index room, further more, const run& m);
  void check_emit(const action& a);
  void check_give_up(const action& a);
  void check_recall(const action& a);
  void check_wait(const action& a, nanos now, index room, further more, const run& m);
  void check_finish(const action& a, const run& m);
  void check_totals(const run& m) const;

  [[nodiscard]] bool halted() const { return halted_; }
  [[nodiscard]] bool pulling() const { return pulling_; }
  [[nodiscard]] index unread() const { return emitted_.size() - read_; }
  [[nodiscard]] index known() const { return items_.size(); }
  [[nodiscard]] index live() const { return live_; }
  [[nodiscard]] bool all_settled() const { return source_done_ && settled_ == items_.size(); }
  [[nodiscard]] const entry& at(index i) const { return items_[i]; }
  /// The first item that an ordered stream still holds back for.
  [[nodiscard]] index oldest_open() const { return emitted_.size(); }
  [[nodiscard]] meter& tokens() { return meter_; }

 private:
  void settle(index i);
  void halt(status why, bool hard);
  void wait_for_retry(index i, std::uint32_t attempt, nanos server_wait, nanos now);
  void begin_retry(const action& a, nanos now);
  void begin_new(const action& a);
  void unlist(index i);
  [[nodiscard]] index admissible() const;
  [[nodiscard]] index stock() const;
  [[nodiscard]] index under_way() const { return live_ + waiting_.size(); }
  [[nodiscard]] bool outcomes_fit(index more) const;
  [[nodiscard]] bool retry_due(nanos now) const;
  [[nodiscard]] bool new_ready() const {
    return next_ < items_.size() && items_[next_].at == entry::fresh && admissible() > 0;
  }
  [[nodiscard]] bool idle_hands(nanos now, index room, further more) const;
  [[nodiscard]] index drawable(nanos now, further more) const;
  void check_wake(nanos until, nanos now, index room) const;
  void check_emitted() const;
  void check_bytes(const run& m) const;

  coverage<met_in_run>& seen_;
  rules rules_;
  std::vector<entry> items_;
  std::vector<index> waiting_;
  std::vector<index> settled_in_order_;  ///< of an unordered stream
  std::vector<index> emitted_;
  meter meter_;
  index next_ = 0, open_ = 0, live_ = 0, settled_ = 0, failed_ = 0, cancelled_ = 0, read_ = 0, recorded_ahead_ = 0;
  std::uint64_t in_bytes_ = 0, held_ = 0;
  std::uint64_t out_bytes_ = 0;  ///< of all values that have come
  index values_ = 0;
  std::uint64_t window_held_ = 0;  ///< held_ as the machine knows it when it is asked
  bool uniform_ = true;            ///< all items have one size
  bool source_done_ = false, pulling_ = false, halted_ = false, hard_ = false, recall_due_ = false, recalled_ = false;
  status why_ = status::completed;
};

}  // namespace simulation
