// Continuations of process tasks, and thread and process futures side by side.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "centimane/as_completed.hpp"
#include "centimane/process_pool.hpp"
#include "centimane/then.hpp"
#include "centimane/thread_pool.hpp"
#include "centimane/wait.hpp"
#include "centimane/when_all.hpp"

namespace cm = centimane;

namespace {

int square(int n) { return n * n; }
void die() { ::raise(SIGKILL); }
void hang() { ::pause(); }

TEST(mixed_futures, continuations_of_process_tasks_run_though_nobody_waits) {
  cm::process_pool cpu(2);
  cm::thread_pool home(1);
  constexpr int n = 200;
  std::latch done(n);
  std::atomic<int> sum{0};
  for (int i = 0; i < n; ++i) {
    (void)cpu.submit(square, i).then(home, [&](int s) {
      sum += s;
      done.count_down();
    });
  }
  done.wait();
  EXPECT_EQ(sum.load(), (n - 1) * n * (2 * n - 1) / 6);
}

TEST(mixed_futures, a_chain_goes_from_processes_to_threads_and_back) {
  cm::process_pool cpu(2);
  cm::thread_pool home(2);
  std::vector<cm::future<std::string>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(cpu.submit(square, i)
                      .then(home, [&cpu](int s) { return cpu.submit([](int k) { return k + 1; }, s); })
                      .then(home, [](int s) { return std::to_string(s); }));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), std::to_string(i * i + 1));
}

TEST(mixed_futures, a_killed_worker_is_its_own_futures_error_only) {
  cm::process_pool cpu(2);
  cm::thread_pool threads(1);
  auto number = cpu.submit(square, 5);
  auto dead = cpu.submit(die);
  auto text = threads.submit([] { return std::string("t"); });
  int values = 0, deaths = 0;
  for (auto done : cm::as_completed(std::tie(number, dead, text))) {
    try {
      std::visit([](auto* f) { (void)f->get(); }, done);
      ++values;
    } catch (const cm::worker_died& death) {
      EXPECT_EQ(done.index(), 1u);
      EXPECT_EQ(death.signal(), SIGKILL);
      ++deaths;
    }
  }
  EXPECT_EQ(values, 2);
  EXPECT_EQ(deaths, 1);
  EXPECT_EQ(cpu.submit(square, 3).get(), 9) << "the pool lives on";
}

TEST(mixed_futures, wait_tells_of_the_first_error_among_types) {
  cm::process_pool cpu(1), others(1);
  cm::thread_pool threads(1);
  std::latch go(1);
  auto slow = threads.submit([&go] { go.wait(); });
  auto dead = cpu.submit(die);
  auto number = others.submit(square, 2);
  EXPECT_GE(cm::wait(std::tie(slow, dead, number), cm::when::first_error), 1u);
  EXPECT_TRUE(dead.ready());
  EXPECT_FALSE(slow.ready());
  go.count_down();
  EXPECT_EQ(cm::wait(std::tie(slow, dead, number)), 3u);
  EXPECT_THROW(dead.get(), cm::worker_died);
  EXPECT_EQ(number.get(), 4);
}

TEST(mixed_futures, when_all_loses_neither_values_nor_deaths) {
  cm::process_pool cpu(2);
  cm::thread_pool home(1);
  auto told = cm::when_all(cpu.submit(square, 4), cpu.submit(die), home.submit([] {
                return std::string("t");
              })).then(home, [](auto done) {
    auto [number, dead, text] = std::move(done);
    const std::string all = std::to_string(number.get()) + text.get();
    try {
      dead.get();
    } catch (const cm::worker_died& death) {
      return all + std::to_string(death.signal());
    }
    return all;
  });
  EXPECT_EQ(told.get(), "16t9");
}

TEST(mixed_futures, cancelling_takes_back_process_tasks_that_wait) {
  cm::process_pool cpu(1);
  cm::thread_pool home(1);
  std::stop_source stop;
  std::vector<cm::future<int>> all;
  auto hung = cpu.submit(hang);
  for (int i = 0; i < 100; ++i) {
    all.push_back(cpu.submit(square, i).then(
        home, [](int n) { return n; }, stop.get_token()));
  }
  stop.request_stop();
  for (auto& f : all) {
    EXPECT_TRUE(f.ready());
    EXPECT_THROW(f.get(), cm::cancelled);
  }
  cpu.terminate();
  EXPECT_THROW(hung.get(), cm::error);
}

TEST(mixed_futures, a_pool_of_processes_that_ends_ends_what_was_to_follow) {
  cm::thread_pool home(1);
  std::vector<cm::future<int>> all;
  {
    cm::process_pool cpu(1);
    (void)cpu.submit(hang);
    for (int i = 0; i < 20; ++i) all.push_back(cpu.submit(square, i).then(home, [](int n) { return n; }));
    cpu.terminate();
  }
  for (auto& f : all) EXPECT_THROW(f.get(), cm::error);
}

TEST(mixed_futures, tasks_wait_deep_for_continuations_of_process_tasks) {
  cm::process_pool cpu(2);
  cm::thread_pool pool(2);
  std::vector<cm::future<int>> all;
  for (int i = 0; i < 400; ++i) {
    all.push_back(pool.submit([&, i] { return cpu.submit(square, i).then(pool, [](int n) { return n + 1; }).get(); }));
  }
  for (int i = 0; i < 400; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i * i + 1);
}

}  // namespace
