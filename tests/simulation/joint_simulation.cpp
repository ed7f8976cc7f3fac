// The two machines together: a policy::run drives a policy::fleet in one simulated world, with retries, a limiter, a
// deadline, stops, timeouts, recycling and every fault of the fleet's world. Each machine is checked as in its own
// simulation, by what it is told here; this one checks what only both together can promise.
//
//   joint_simulation [histories] [first seed]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <vector>

#include "fleet_world.hpp"
#include "policy/limiter.hpp"
#include "policy/run.hpp"

namespace simulation {
namespace {

enum class joint : std::uint8_t {
  completed,
  stopped,
  timed_out,
  aborted,
  retried,
  recalled_soft,
  recalled_hard,
  limited,
  gave_up,
  unsent,
  fleet_failed,
  closed_under_it,
  second_run,
  died_and_retried,
  overtime_and_retried,
  count_
};
constexpr std::array<const char*, static_cast<std::size_t>(joint::count_)> joint_names = {
    "completed",     "stopped",         "timed_out",  "aborted",          "retried",
    "recalled_soft", "recalled_hard",   "limited",    "gave_up",          "unsent",
    "fleet_failed",  "closed_under_it", "second_run", "died_and_retried", "overtime_and_retried"};
coverage<joint> met_jointly;

struct script {
  fleet_rules fleet_side;
  bad_luck luck;
  std::uint32_t chaos = 0, runs = 1;
};

script write_script(std::uint64_t seed) {
  dice roll(seed ^ 0x1c69b3f7);
  const auto number = [&](std::uint32_t n) { return static_cast<std::uint32_t>(roll(n)); };
  script s;
  fleet_rules& f = s.fleet_side;
  f.workers = 1 + number(4);
  f.depth = 1 + number(roll.one_in(3) ? 12 : 4);
  if (roll.one_in(2)) f.max_tasks = 1 + number(8);
  f.soft_grace = roll.one_in(6) ? 0 : 40;
  f.exit_grace = 60;
  f.start_limit = 1500;
  f.backoff = 10;
  f.failure_window = 1000;
  f.start_failures = roll.one_in(8) ? 3 : 1000;
  f.resource_retry = 20;
  f.resource_limit = 1000;
  f.kill_limit = 300;
  f.full_retry = 5;
  f.unclaimed_limit = 1000;
  if (roll.one_in(3)) f.idle_after = 1 + static_cast<nanos>(roll(120));
  s.runs = 1 + number(3);
  s.chaos = 100 + number(600);
  const auto fault = [&](std::uint32_t least) { return roll.one_in(2) ? 0 : least + number(3 * least); };
  s.luck.death = fault(4);
  s.luck.zygote = fault(20);
  s.luck.start = fault(5);
  s.luck.fork = fault(8);
  s.luck.broke = fault(20);
  s.luck.stop = fault(12);
  s.luck.hang = fault(6);
  s.luck.full = fault(4);
  s.luck.unkillable = fault(6);
  s.luck.condemn = fault(15);
  s.luck.recycle = fault(8);
  return s;
}

/// One run and its driver.
struct client {
  rules asked;
  std::optional<limiter> bucket;
  index count = 0, burst = 0;
  nanos per = 0, task_limit = never;
  std::optional<run> machine;
  struct item {
    std::uint32_t attempts = 0;
    bool settled = false, out = false;
  };
  std::vector<item> items;
  std::deque<nanos> begun_at;
  bool finished = false, halted = false, hard = false, surprised = false;
  nanos until = never;
};

class history final : public fleet_world {
 public:
  explicit history(std::uint64_t seed) : history(seed, write_script(seed)) {}

  void go() {
    for (std::uint32_t step = 0; turn(); ++step) {
      CHECK(step < 100000);
      if (step == script_.chaos) calm_down();
      happen();
      if (calm_) happen();
      if (!calm_ && roll.one_in(400)) stop_one();
      if (!calm_ && roll.one_in(1500)) close(static_cast<nanos>(roll(200)));
      const bool done = std::all_of(clients_.begin(), clients_.end(), [](const client& c) { return c.finished; });
      if (!closing_ && (done || (step > script_.chaos + 400 && hopeless()))) close(static_cast<nanos>(roll(100)));
      if (roll.one_in(calm_ ? 3 : 12)) {
        pass_to_next();
      } else if (roll.one_in(3)) {
        pass(false);
      }
    }
    for (client& c : clients_) CHECK(c.finished);
  }

 private:
  history(std::uint64_t seed, const script& s) : fleet_world(seed, s.fleet_side, s.luck), script_(s) {
    clients_.resize(s.runs);
    if (s.runs > 1) met_jointly.met(joint::second_run);
    for (std::uint32_t of = 0; of < s.runs; ++of) open_run(of);
  }

  void open_run(std::uint32_t of) {
    client& c = clients_[of];
    rules& r = c.asked;
    r.total = roll(roll.one_in(4) ? 80 : 24);
    r.window = 1 + roll(roll.one_in(3) ? 4 : 64);
    r.attempts = 1 + static_cast<std::uint32_t>(roll(4));
    r.backoff = static_cast<nanos>(roll(30));
    r.max_delay = 200;
    r.seed = roll(1000);
    if (roll.one_in(5)) r.deadline = 100 + static_cast<nanos>(roll(3000));
    if (roll.one_in(5)) r.max_errors = roll(4);
    if (roll.one_in(2)) c.task_limit = 20 + static_cast<nanos>(roll(200));
    if (roll.one_in(3)) {
      c.count = 1 + roll(4);
      c.burst = 1 + roll(3);
      c.per = 1 + static_cast<nanos>(roll(200));
      c.bucket.emplace(c.count, c.per, c.burst);
      r.limit = &*c.bucket;
      set_depth(of, 1);
      met_jointly.met(joint::limited);
      if (roll.one_in(2)) prepare(rules_.workers);
    }
    c.items.resize(*r.total);
    c.machine.emplace(r);
  }

  void stop_one() {
    client& c = clients_[roll(clients_.size())];
    if (!c.finished) c.machine->stop(roll.one_in(2));
  }

  /// Both machines until neither has anything to do. False: the fleet is closed and every run has finished.
  bool turn() {
    for (std::uint32_t rounds = 0;; ++rounds) {
      CHECK(rounds < 5000);
      const bool open = obey_all();
      bool acted = false;
      for (std::uint32_t of = 0; of < clients_.size(); ++of) acted |= drive(of);
      if (!acted && open) return true;
      if (!acted) {
        const bool done = std::all_of(clients_.begin(), clients_.end(), [](const client& c) { return c.finished; });
        if (done) return false;
        pass_to_next();  // a retry's wait, with nobody left to work
      }
    }
  }

  /// A run's driver: does what the run says until it waits. True if it said anything.
  bool drive(std::uint32_t of) {
    client& c = clients_[of];
    c.until = never;
    for (bool acted = false; !c.finished; acted = true) {
      const action a = c.machine->next(now, machine.room(of));
      switch (a.what) {
        case action::start:
          start(of, a);
          break;
        case action::give_up:
          met_jointly.met(joint::gave_up);
          c.halted = true;  // without a recall, if nothing was out
          CHECK(!c.items[a.first].out);
          settle(of, a.first);
          break;
        case action::recall:
          c.halted = true;
          c.hard |= a.hard;
          met_jointly.met(a.hard ? joint::recalled_hard : joint::recalled_soft);
          recall(of, a.hard);
          return true;  // its reports come first
        case action::wait:
          CHECK(a.until > now);
          c.until = a.until;
          return acted;
        case action::finish:
          finish(of, a);
          return true;
        default:
          CHECK(false);  // a map of known length is neither pulled nor emitted
      }
    }
    return false;
  }

  void start(std::uint32_t of, const action& a) {
    client& c = clients_[of];
    CHECK(!c.halted && now < c.asked.deadline && a.count > 0 && a.count <= machine.room(of));
    for (index i = a.first; i < a.first + a.count; ++i) {
      client::item& x = c.items[i];
      CHECK(!x.settled && !x.out && a.attempt == x.attempts + 1 && a.attempt <= c.asked.attempts);
      x.out = true;
    }
    if (a.attempt > 1) met_jointly.met(joint::retried);
    if (c.bucket) {
      for (index k = 0; k < a.count; ++k) c.begun_at.push_back(now);
      while (c.begun_at.front() <= now - c.per) c.begun_at.pop_front();
      CHECK(c.begun_at.size() <= c.count + c.burst - 1);
    }
    task t;
    t.of = of;
    t.item = a.first;
    t.count = a.count;
    t.attempt = a.attempt;
    t.limit = c.task_limit;
    submit(t);
  }

  void item_ended(std::uint32_t of, index i, std::uint32_t attempt, outcome how, const order* report) override {
    client& c = clients_[of];
    client::item& x = c.items[i];
    CHECK(x.out && !c.finished && attempt == x.attempts + 1);
    x.out = false;
    if (how == outcome::unsent) {
      CHECK(c.halted);  // nobody else recalls
      met_jointly.met(joint::unsent);
    } else {
      x.attempts = attempt;
    }
    if (report && report->why != failure::none) met_jointly.met(joint::fleet_failed);
    if (how == outcome::cancelled && !c.hard) {
      CHECK(closing_);
      met_jointly.met(joint::closed_under_it);
    }
    if (how == outcome::value) {
      if (!roll.one_in(6)) {
        c.machine->succeeded(i, 1);
        settle(of, i);
        return;
      }
      how = outcome::error;
    }
    const bool retryable = roll.one_in(2) && !(report && report->why != failure::none);
    if (c.machine->ended(i, attempt, how, retryable, 0, now)) {
      settle(of, i);
    } else if (how == outcome::died) {
      met_jointly.met(joint::died_and_retried);
    } else if (how == outcome::overtime) {
      met_jointly.met(joint::overtime_and_retried);
    }
  }

  void settle(std::uint32_t of, index i) {
    CHECK(!clients_[of].items[i].settled);
    clients_[of].items[i].settled = true;
  }

  void finish(std::uint32_t of, const action& a) {
    client& c = clients_[of];
    c.finished = true;
    index settled = 0;
    for (const client::item& x : c.items) {
      CHECK(!x.out);  // nothing is running that nobody waits for
      settled += x.settled;
    }
    CHECK(settled == c.machine->settled() && settled + c.machine->not_started() == c.items.size());
    if (a.end == status::completed) {
      CHECK(settled == c.items.size() && !c.halted);
      met_jointly.met(joint::completed);
    }
    if (a.end == status::stopped) met_jointly.met(joint::stopped);
    if (a.end == status::timed_out) met_jointly.met(joint::timed_out);
    if (a.end == status::aborted) met_jointly.met(joint::aborted);
    set_depth(of, 0);
  }

  void pass_to_next() {
    nanos until = until_;
    for (const client& c : clients_) {
      if (!c.finished) until = std::min(until, c.until);
    }
    if (until != never && now < until) {
      now = until;
    } else {
      now += 1 + static_cast<nanos>(roll(12));
    }
  }

  script script_;
  std::vector<client> clients_;
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
  const bool all = met_jointly.report(joint_names);
  return all || histories < 20000 ? 0 : 1;
}
