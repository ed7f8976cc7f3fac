// The world around a run, thrown by dice: a source that is slow, empty or broken; hands that succeed, fail, die, hang
// or hand back; a consumer that lags; a checkpoint; another run that shares the limiter; a user who stops; and time.
#pragma once
#include <optional>
#include <vector>

#include "check.hpp"
#include "run_model.hpp"

namespace simulation {

/// Lives over many histories, so that the memory of one serves the next.
class run_world final : public centimane::policy::tokens {
 public:
  run_world() : model_(seen_) {}

  /// One whole life of a run, all of it from the seed.
  void history(std::uint64_t seed);
  [[nodiscard]] const coverage<met_in_run>& seen() const { return seen_; }

  // A limiter that another run draws from as well: it may have been there just before.
  index take_up_to(nanos now, index n) override;
  [[nodiscard]] index expected(nanos now, nanos ahead) const override { return limiter_->expected(now, ahead); }
  [[nodiscard]] nanos ready_at(nanos now) const override { return limiter_->ready_at(now); }
  void pause_until(nanos t) override { limiter_->pause_until(t); }

 private:
  struct task {
    index item;
    std::uint32_t attempt;
    bool begun;
    bool draws = false;  ///< a token, when it begins
  };

  void throw_rules();
  void throw_source();
  void throw_limiter();
  void record_some(index first, run& m);
  [[nodiscard]] index offer();
  [[nodiscard]] further lets_wait() const;
  /// Carries one thing out; true if the run has ended.
  bool carry_out(const action& a, index room, further more, run& m);
  void start(const action& a);
  void take_back(bool hard, run& m);
  void something_happens(nanos until, run& m);
  bool happens(std::uint64_t which, run& m);
  void answer_pull(run& m);
  void read_some(run& m);
  void stop(run& m);
  bool begins(std::size_t hand);
  void give_back_drawing(run& m);
  void an_attempt_ends(run& m);
  void end_values(std::size_t hand, run& m);
  void end_otherwise(std::size_t hand, outcome how, run& m);
  void let_go(std::size_t hand);
  void after_finish(const action& end, run& m);

  coverage<met_in_run> seen_;
  run_model model_;
  dice dice_{0};
  rules rules_;
  std::optional<limiter> limiter_;
  std::vector<task> hands_;
  std::vector<std::size_t> hand_of_;  ///< item → its place in hands_, if it is there
  nanos now_ = 0;
  index source_left_ = 0, asked_ = 0, hands_there_ = 1;
  index may_wait_ = 0;  ///< items beside those that hands hold
  std::uint64_t fault_ = 8, item_bytes_ = 0, slowness_ = 0, checkpoint_ = 0;
  bool uneven_ = false, source_breaks_ = false, shared_ = false, pushes_back_ = false, restless_ = false;
};

}  // namespace simulation
