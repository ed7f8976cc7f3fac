// The process pool on real processes: what each way of dying, hanging or misbehaving costs, which is one task.
#include "process/pool.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "leak_check.hpp"
#include "platform/fault.hpp"
#include "pool_world.hpp"

namespace centimane::engine::test {
namespace {

class process_pool : public centimane::test::leak_check {};

/// A limit that no task passes but one that hangs: it squares a number, and a busy computer may be slow about it.
constexpr nanos one_second = 1'000'000'000;

/// Every item settled once; all but `but` have their value.
void expect_squares(const numbers& work, std::vector<index> but = {}) {
  for (index i = 0; i < work.outcomes.size(); ++i) {
    const auto& o = work.outcomes[i];
    EXPECT_EQ(o.settled, 1) << "item " << i;
    if (std::find(but.begin(), but.end(), i) != but.end()) continue;
    EXPECT_TRUE(o.ok) << "item " << i << ": " << o.why.text;
    EXPECT_EQ(o.value, static_cast<std::int64_t>(i * i * 3)) << "item " << i;
  }
}

TEST_F(process_pool, maps_many_items_over_two_workers) {
  auto where = pool::open(rules_for(2));
  numbers work(squares(200'000));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work);
  EXPECT_EQ(where->missed_bells(), 0U);
}

TEST_F(process_pool, is_used_again_by_the_next_run) {
  auto where = pool::open(rules_for(2));
  for (int k = 0; k < 20; ++k) {
    numbers work(squares(100 * k));
    EXPECT_EQ(carry(where, work), policy::status::completed);
    expect_squares(work);
  }
  EXPECT_LE(where->status().size(), 2U);
}

TEST_F(process_pool, starts_all_its_workers_at_once_where_that_is_asked_for) {
  auto where = pool::open(rules_for(3));
  where->prepare();
  while (where->status().size() < 3) std::this_thread::yield();
  numbers work(squares(100));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work);
}

TEST_F(process_pool, loses_exactly_the_task_that_was_running) {
  struct {
    deed what;
    int signal, exit_code;
    stage where;
  } const ways[] = {
      {deed::kill, SIGKILL, -1, stage::run},
      {deed::fault, SIGSEGV, -1, stage::run},
      {deed::leave, 0, 7, stage::run},
      {deed::die_reading, SIGKILL, -1, stage::read_args},
      {deed::die_writing, SIGKILL, -1, stage::write_result},
  };
  for (const auto& way : ways) {
    auto where = pool::open(rules_for(2));
    numbers work(squares(1000, {{17, way.what}, {500, way.what}}));
    EXPECT_EQ(carry(where, work), policy::status::completed);
    expect_squares(work, {17, 500});
    for (index i : {17U, 500U}) {
      const trouble& why = work.outcomes[i].why;
      EXPECT_FALSE(work.outcomes[i].ok);
      EXPECT_EQ(why.how, policy::outcome::died);
      EXPECT_EQ(why.signal, way.signal) << why.text;
      EXPECT_EQ(why.exit_code, way.exit_code) << why.text;
      EXPECT_EQ(why.where, way.where) << why.text;
      EXPECT_GT(why.pid, 0);
    }
  }
}

TEST_F(process_pool, reports_the_fatal_traceback) {
  auto where = pool::open(rules_for(1));
  numbers work(squares(3, {{1, deed::fault}}));
  carry(where, work);
  EXPECT_NE(work.outcomes[1].why.stack.find("SIGSEGV"), std::string::npos) << work.outcomes[1].why.stack;
}

TEST_F(process_pool, every_task_may_kill_its_worker) {
  auto where = pool::open(rules_for(2));
  std::vector<order_of_task> tasks(50, {deed::kill, 0});
  numbers work(std::move(tasks));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  for (const auto& o : work.outcomes) {
    EXPECT_EQ(o.settled, 1);
    EXPECT_EQ(o.why.how, policy::outcome::died) << o.why.text;
  }
  numbers after(squares(100));
  EXPECT_EQ(carry(where, after), policy::status::completed);
  expect_squares(after);
}

TEST_F(process_pool, a_task_past_its_limit_is_stopped_or_killed) {
  for (const deed what : {deed::hang, deed::hang_hard, deed::scribble}) {
    pool_rules rules = rules_for(2);
    rules.soft_grace = 50'000'000;
    if (what == deed::hang_hard) rules.stack_patience = 20 * one_second;  // a watchdog here: the stack comes
    auto where = pool::open(std::move(rules));
    numbers work(squares(100, {{5, what}}));
    EXPECT_EQ(carry(where, work, one_second), policy::status::completed);
    expect_squares(work, {5});
    EXPECT_EQ(work.outcomes[5].why.how, policy::outcome::overtime) << work.outcomes[5].why.text;
    if (what == deed::hang_hard) {
      EXPECT_NE(work.outcomes[5].why.stack.find("usleep"), std::string::npos) << work.outcomes[5].why.stack;
    }
  }
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
/// A pool whose zygote, and whoever it forks, meets this fault.
std::shared_ptr<pool> open_with(const char* fault, pool_rules rules) {
  EXPECT_TRUE(platform::fault::arm(fault));
  auto where = pool::open(std::move(rules));
  platform::fault::disarm_all();
  return where;
}

TEST_F(process_pool, a_death_keeps_its_signal_when_the_zygote_is_slow_to_tell) {
  auto where = open_with("zygote.before_notice:1:delay=100", rules_for(2));
  numbers work(squares(100, {{17, deed::kill}}));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work, {17});
  EXPECT_EQ(work.outcomes[17].why.signal, SIGKILL) << work.outcomes[17].why.text;
}

TEST_F(process_pool, a_stack_is_whole_when_its_writer_loses_the_processor) {
  pool_rules rules = rules_for(1);
  rules.stack_patience = 20 * one_second;
  auto where = open_with("worker.in_stack:1:delay=50", std::move(rules));
  numbers work(squares(1, {{0, deed::hang_hard}}));
  EXPECT_EQ(carry(where, work, 100'000'000), policy::status::completed);
  const std::string& stack = work.outcomes[0].why.stack;
  EXPECT_EQ(stack.rfind("Stack of the task:\n", 0), 0U) << stack;
  EXPECT_NE(stack.find("usleep"), std::string::npos) << stack;
  EXPECT_EQ(stack.find("End of"), std::string::npos) << stack;
}
#endif

TEST_F(process_pool, carries_results_and_arguments_larger_than_a_ring) {
  auto where = pool::open(rules_for(2));
  numbers work(squares(40, {{3, deed::large}, {30, deed::large}}));
  work.padding.resize(3 << 20);
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work);
  EXPECT_GT(work.outcomes[3].size, 1U << 20);
}

TEST_F(process_pool, a_task_that_closes_all_descriptors_costs_nothing) {
  auto where = pool::open(rules_for(2));
  numbers work(squares(100, {{50, deed::close_channel}}));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work);
}

TEST_F(process_pool, a_task_that_becomes_another_program_costs_itself) {
  auto where = pool::open(rules_for(2));
  numbers work(squares(100, {{50, deed::become_another}}));
  EXPECT_EQ(carry(where, work), policy::status::completed);
  expect_squares(work, {50});
  EXPECT_EQ(work.outcomes[50].why.how, policy::outcome::died) << work.outcomes[50].why.text;
}

TEST_F(process_pool, workers_that_cannot_start_fail_the_pool_loudly) {
  auto where = pool::open(rules_for(2, 'x'));
  numbers work(squares(10));
  carry(where, work);
  for (const auto& o : work.outcomes) {
    EXPECT_EQ(o.settled, 1);
    EXPECT_EQ(o.why.where, stage::start) << o.why.text;
    EXPECT_NE(o.why.stack.find("told to fail"), std::string::npos) << o.why.stack;
  }
}

TEST_F(process_pool, why_workers_could_not_start_stays_the_reason) {
  void* const shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  numbers_servant::set_ups = new (shared) std::atomic<int>(0);
  auto where = pool::open(rules_for(2, 'h'));
  numbers first(squares(10)), later(squares(10));
  carry(where, first);
  while (!where->status().empty()) std::this_thread::yield();  // the one that hung was killed, and that is no reason
  carry(where, later);
  for (const numbers* work : {&first, &later}) {
    for (const auto& o : work->outcomes) {
      EXPECT_EQ(o.settled, 1);
      EXPECT_EQ(o.why.where, stage::start) << o.why.text;
      EXPECT_NE(o.why.stack.find("told to fail"), std::string::npos) << o.why.text;
    }
  }
  munmap(shared, 4096);
}

TEST_F(process_pool, recycles_workers_after_so_many_tasks) {
  for (const std::uint64_t quota : {1U, 2U, 3U, 50U}) {
    pool_rules rules = rules_for(2);
    rules.max_tasks = quota;
    auto where = pool::open(std::move(rules));
    numbers work(std::vector<order_of_task>(200, {deed::pid, 0}));
    EXPECT_EQ(carry(where, work), policy::status::completed);
    std::map<std::int64_t, std::uint64_t> ran;
    for (const auto& o : work.outcomes) {
      EXPECT_TRUE(o.ok) << o.why.text;
      ++ran[o.value];
    }
    for (const auto& [pid, count] : ran) EXPECT_LE(count, quota) << "worker " << pid;
  }
}

TEST_F(process_pool, a_killed_zygote_costs_what_was_running) {
  auto where = pool::open(rules_for(2));
  numbers work(squares(20'000));
  bool done = false;
  work.on_settled = [&](index, numbers& all) {
    if (done || all.outcomes[100].settled == 0) return;
    done = true;
    kill(static_cast<pid_t>(where->zygote_pid()), SIGKILL);
  };
  EXPECT_EQ(carry(where, work), policy::status::completed);
  index lost = 0;
  for (const auto& o : work.outcomes) {
    EXPECT_EQ(o.settled, 1);
    lost += o.ok ? 0 : 1;
  }
  EXPECT_LE(lost, 2U);
}

TEST_F(process_pool, several_runs_share_it) {
  auto where = pool::open(rules_for(2));
  std::vector<std::thread> drivers;
  std::atomic<int> wrong{0};
  for (int k = 0; k < 4; ++k) {
    drivers.emplace_back([&where, &wrong] {
      for (int round = 0; round < 10; ++round) {
        numbers work(squares(2000, {{7, deed::kill}}));
        if (carry(where, work) != policy::status::completed) ++wrong;
        for (index i = 0; i < work.outcomes.size(); ++i) {
          if (work.outcomes[i].settled != 1 || (work.outcomes[i].ok != (i != 7))) ++wrong;
        }
      }
    });
  }
  for (auto& d : drivers) d.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(where->missed_bells(), 0U);
}

TEST_F(process_pool, survives_workers_killed_from_outside_at_random) {
  auto where = pool::open(rules_for(2));
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  numbers work(squares(300'000));
  index next_kill = 1000, killed = 0;
  work.on_settled = [&](index, numbers&) {
    if (--next_kill != 0) return;
    next_kill = 1 + random() % 20'000;
    for (const worker_status& w : where->status()) {
      // Killed before its first result it is a failed start, and five of these in ten seconds fail the pool.
      if (w.pid > 0 && w.done > 0 && random() % 2 == 0) {
        kill(static_cast<pid_t>(w.pid), SIGKILL);
        ++killed;
      }
    }
  };
  EXPECT_EQ(carry(where, work), policy::status::completed);
  index lost = 0;
  for (index i = 0; i < work.outcomes.size(); ++i) {
    ASSERT_EQ(work.outcomes[i].settled, 1) << "item " << i;
    if (work.outcomes[i].ok) {
      ASSERT_EQ(work.outcomes[i].value, static_cast<std::int64_t>(i * i * 3));
    } else {
      ++lost;
    }
  }
  EXPECT_LE(lost, killed);
  EXPECT_GT(killed, 0U);
}

TEST_F(process_pool, signals_all_workers_or_those_that_have_a_task) {
  auto where = pool::open(rules_for(2));
  where->prepare();
  while (where->signal(0, false) < 2) std::this_thread::yield();
  EXPECT_EQ(where->signal(0, true), 0U) << "nobody has anything to do";
  numbers work(squares(1, {{0, deed::hang_hard}}));
  std::atomic<bool> over = false;
  std::thread killer([&] {
    // Who is hit before the task is its own passes it on, so once may not be enough.
    for (; !over; std::this_thread::sleep_for(std::chrono::milliseconds(20))) where->signal(SIGTERM, true);
  });
  EXPECT_EQ(carry(where, work), policy::status::completed);
  over = true;
  killer.join();
  EXPECT_FALSE(work.outcomes[0].ok);
  EXPECT_EQ(work.outcomes[0].why.signal, SIGTERM);
}

TEST_F(process_pool, closing_settles_what_is_left) {
  auto where = pool::open(rules_for(1));
  numbers work(squares(1000, {{3, deed::hang_hard}}));
  std::thread closer;
  work.on_settled = [&](index item, numbers&) {
    if (item == 2) closer = std::thread([&where] { where->close(50'000'000); });
  };
  carry(where, work);
  closer.join();
  for (const auto& o : work.outcomes) EXPECT_EQ(o.settled, 1);
  EXPECT_FALSE(work.outcomes[3].ok);
  EXPECT_EQ(work.outcomes[999].why.how, policy::outcome::cancelled);
}

}  // namespace
}  // namespace centimane::engine::test

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
