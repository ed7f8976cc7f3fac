// Simulation of policy::fleet: random rules, random work, every fault at every step, simulated time.
//
//   fleet_simulation [histories] [first seed]
//
// A history is known by its seed; a failed check prints it, and `fleet_simulation 1 SEED` replays it. A rare situation
// that no history met fails the run, if there were enough of them.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "fleet_world.hpp"

namespace simulation {
namespace {

struct script {
  fleet_rules rules;
  bad_luck luck;
  std::uint32_t runs, items, chaos;
};

/// Short times, small numbers: what is rare in life is common here.
script write_script(std::uint64_t seed) {
  dice roll(seed ^ 0x5bf03635);
  const auto number = [&](std::uint32_t n) { return static_cast<std::uint32_t>(roll(n)); };
  const auto time = [&](std::uint32_t n) { return static_cast<nanos>(roll(n)); };
  script s{};
  s.rules.workers = 1 + number(roll.one_in(10) ? 8 : 4);
  s.rules.depth = 1 + number(roll.one_in(4) ? 16 : 5);
  if (roll.one_in(2)) s.rules.max_tasks = 1 + number(8);
  s.rules.soft_grace = roll.one_in(6) ? 0 : 40;
  s.rules.exit_grace = 60;
  s.rules.start_limit = 1500;
  s.rules.backoff = 10;
  s.rules.failure_window = 1000;
  s.rules.start_failures = roll.one_in(4) ? 3 : 1000;
  s.rules.resource_retry = 20;
  s.rules.resource_limit = 150;
  s.rules.kill_limit = 300;
  s.rules.full_retry = 5;
  s.rules.unclaimed_limit = roll.one_in(3) ? 60 : 100000;
  s.rules.resends = static_cast<std::uint8_t>(number(4));
  if (roll.one_in(3)) s.rules.idle_after = time(120);
  s.runs = 1 + number(3);
  s.items = number(roll.one_in(3) ? 60 : 24);
  s.chaos = 40 + number(roll.one_in(4) ? 1500 : 300);
  if (roll.one_in(12)) return s;  // no bad luck at all
  const auto fault = [&](std::uint32_t least) { return roll.one_in(2) ? 0 : least + number(3 * least); };
  s.luck.death = fault(3);
  s.luck.zygote = fault(12);
  s.luck.start = roll.one_in(20) ? 1 : fault(4);
  s.luck.fork = fault(6);
  s.luck.broke = fault(12);
  s.luck.stop = fault(12);
  s.luck.hang = fault(4);
  s.luck.full = fault(4);
  s.luck.unkillable = fault(3);
  s.luck.condemn = fault(10);
  s.luck.recycle = fault(6);
  s.luck.lax = roll.one_in(4);
  return s;
}

class history final : public fleet_world {
 public:
  explicit history(std::uint64_t seed) : history(seed, write_script(seed)) {}

  void go() {
    for (std::uint32_t step = 0; obey_all(); ++step) {
      CHECK(step < 100000);  // it ends once the faults have stopped
      if (step == script_.chaos) calm_down();
      if (step < script_.chaos) {
        wish();
      } else if (!closing_) {
        while (given_ < script_.items || !again_.empty()) give();
        if (in_ == 0 || failed_ || (step > script_.chaos + 400 && hopeless())) close(static_cast<nanos>(roll(100)));
      }
      for (std::uint32_t k = calm_ ? 3 : 1; k > 0; --k) happen();
      if (roll.one_in(calm_ ? 3 : 12)) {
        pass(true);
      } else if (roll.one_in(3)) {
        pass(false);
      }
    }
    CHECK(given_ == script_.items || closing_);
    // What comes too late is reported at once.
    if (roll.one_in(4)) {
      task t;
      t.of = 3;
      t.count = 2;
      submit(t);
      CHECK(!obey_all() && in_ == 0);
    }
  }

 private:
  history(std::uint64_t seed, const script& s) : fleet_world(seed, s.rules, s.luck), script_(s) {}

  /// What users and drivers may do at any time.
  void wish() {
    switch (roll(16)) {
      case 0:
      case 1:
      case 2:
        give();
        break;
      case 3:
        if (roll.one_in(12)) recall(static_cast<std::uint32_t>(roll(script_.runs)), roll.one_in(2));
        break;
      case 4:
        if (roll.one_in(6)) set_depth(1 + static_cast<std::uint32_t>(roll(8)));
        break;
      case 5:
        if (roll.one_in(12)) {
          set_depth(static_cast<std::uint32_t>(roll(script_.runs)), static_cast<std::uint32_t>(roll(4)));
        }
        break;
      case 6:
        if (roll.one_in(12)) prepare(static_cast<worker>(roll(6)));
        break;
      case 7:
        if (roll.one_in(closing_ ? 10 : 100)) close(static_cast<nanos>(roll(200)));
        break;
      default:
        break;
    }
  }

  /// Submits a range of new items, or an item for another attempt.
  void give() {
    if (!again_.empty() && roll.one_in(2)) {
      const task t = again_.back();
      again_.pop_back();
      submit(t);
      return;
    }
    if (given_ >= script_.items) return;
    task t;
    t.of = static_cast<std::uint32_t>(roll(script_.runs));
    t.count = std::min<index>(1 + roll(roll.one_in(3) ? 20 : 3), script_.items - given_);
    t.item = next_[t.of];
    if (roll.one_in(3)) t.limit = 1 + static_cast<nanos>(roll(200));
    t.alone = roll.one_in(12);
    t.parcel = static_cast<std::uint32_t>(roll(3));
    next_[t.of] += t.count;
    given_ += t.count;
    submit(t);
  }

  void item_ended(std::uint32_t of, index item, std::uint32_t attempt, outcome how, const order* report) override {
    if (how != outcome::died && how != outcome::overtime) return;
    if (report->why != failure::none || attempt == 3 || roll.one_in(3) || closing_ || failed_) return;
    task t;
    t.of = of;
    t.item = item;
    t.attempt = attempt + 1;
    again_.push_back(t);
  }

  script script_;
  std::uint64_t given_ = 0;
  std::array<index, 4> next_{};
  std::vector<task> again_;
};

}  // namespace
}  // namespace simulation

int main(int argc, char** argv) {
  using namespace simulation;
  const unsigned long long histories = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
  const unsigned long long first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  told = histories == 1;
  const auto begun = std::chrono::steady_clock::now();
  for (current_seed = first; current_seed < first + histories; ++current_seed) {
    if (current_seed % 1000 == first % 1000) guard_against_hanging();
    history(current_seed).go();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("%llu histories from seed %llu, %.0f a second; met:\n", histories, first,
              static_cast<double>(histories) / seconds);
  const bool all = met_in_fleet.report(rare_names);
  return all || histories < 30000 ? 0 : 1;
}
