// log(): from tasks on every executor to the one handler, before the run is over.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// What reaches the handler. The default is back afterwards.
class logs : public testing::TestWithParam<cm::executor> {
 protected:
  struct kept {
    cm::log_level level;
    std::string text;
    std::optional<std::size_t> item;
    int worker;
    std::int64_t pid;
  };
  std::mutex lock;
  std::vector<kept> seen;

  void keep(cm::log_level least = cm::log_level::info) {
    cm::set_log_handler(
        [this](const cm::log_record& r) {
          const std::lock_guard guard(lock);
          seen.push_back({r.level, std::string(r.text), r.item, r.worker, r.pid});
        },
        least);
  }
  ~logs() override { cm::set_log_handler({}); }

 public:
  logs() = default;
  logs(const logs&) = delete;
  logs& operator=(const logs&) = delete;
};

TEST_P(logs, reach_the_handler_before_the_run_is_over) {
  keep();
  auto result = cm::parallel_map(
      [](int n) {
        cm::log(cm::log_level::info, std::to_string(n));
        return n;
      },
      numbers(200), {.executor = GetParam(), .workers = 2});
  EXPECT_TRUE(result.ok());
  ASSERT_EQ(seen.size(), 200u);
  std::sort(seen.begin(), seen.end(), [](auto& a, auto& b) { return std::stoi(a.text) < std::stoi(b.text); });
  const bool apart = GetParam().which() == cm::executor::kind::process;
  for (int n = 0; n < 200; ++n) {
    const kept& r = seen[static_cast<std::size_t>(n)];
    EXPECT_EQ(r.text, std::to_string(n));
    EXPECT_EQ(r.level, cm::log_level::info);
    EXPECT_EQ(r.item.has_value(), apart);
    if (apart) {
      EXPECT_EQ(*r.item, static_cast<std::size_t>(n));
    }
    EXPECT_EQ(r.worker >= 0, apart);
    EXPECT_EQ(r.pid != 0, apart);
  }
}

TEST_P(logs, below_the_level_are_not_heard) {
  keep(cm::log_level::warning);
  (void)cm::parallel_map(
      [](int n) {
        cm::log(cm::log_level::info, "quiet");
        cm::log(cm::log_level::error, "loud");
        return n;
      },
      numbers(3), {.executor = GetParam(), .workers = 2});
  ASSERT_EQ(seen.size(), 3u);
  for (const auto& r : seen) EXPECT_EQ(r.text, "loud");
}

INSTANTIATE_TEST_SUITE_P(on, logs, testing::Values(cm::sequential, cm::thread, cm::process));

using logs_of_processes = logs;

TEST_P(logs_of_processes, come_from_streams_too_and_a_long_text_is_cut) {
  keep();
  for ([[maybe_unused]] auto& r : cm::parallel_iter(
           [](int n) {
             cm::log(cm::log_level::info, std::string(100'000, 'x'));
             return n;
           },
           numbers(3), {.executor = GetParam(), .workers = 2})) {
  }
  ASSERT_EQ(seen.size(), 3u);
  for (const auto& r : seen) EXPECT_EQ(r.text, std::string(r.text.size(), 'x'));
  EXPECT_GT(seen[0].text.size(), 10'000u);
}

TEST_P(logs_of_processes, are_heard_though_their_worker_dies) {
  keep();
  auto result = cm::parallel_map(
      [](int n) {
        cm::log(cm::log_level::warning, "last words");
        std::raise(SIGKILL);
        return n;
      },
      numbers(1), {.executor = GetParam(), .workers = 1});
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].text, "last words");
}

TEST_P(logs_of_processes, an_exception_of_the_handler_ends_the_run) {
  cm::set_log_handler([](const cm::log_record&) { throw std::domain_error("enough"); });
  EXPECT_THROW((void)cm::parallel_map(
                   [](int n) {
                     cm::log(cm::log_level::info, "x");
                     return n;
                   },
                   numbers(10), {.executor = GetParam(), .workers = 2}),
               std::domain_error);
}

using logs_of_submitted_tasks = logs;

int say_twice(int n) {
  cm::log(cm::log_level::info, "first " + std::to_string(n));
  cm::log(cm::log_level::debug, "below the level");
  cm::log(cm::log_level::warning, "second " + std::to_string(n));
  return n;
}

TEST_F(logs_of_submitted_tasks, reach_the_handler_before_join_returns) {
  keep();
  cm::process_pool pool(2);
  std::vector<cm::future<int>> all;
  for (int n = 0; n < 100; ++n) all.push_back(pool.submit(say_twice, n));
  for (int n = 0; n < 100; ++n) EXPECT_EQ(all[static_cast<std::size_t>(n)].get(), n);
  pool.join();
  ASSERT_EQ(seen.size(), 200u);
  std::vector<int> state(100);
  for (const kept& r : seen) {
    const bool second = r.text.starts_with("second ");
    const int n = std::stoi(r.text.substr(r.text.find(' ')));
    EXPECT_EQ(state[static_cast<std::size_t>(n)]++, second ? 1 : 0) << r.text;
    EXPECT_EQ(r.level, second ? cm::log_level::warning : cm::log_level::info);
    EXPECT_TRUE(r.item.has_value());
    EXPECT_GE(r.worker, 0);
    EXPECT_GT(r.pid, 0);
  }
}

TEST_F(logs_of_submitted_tasks, a_handler_may_use_the_pool_and_may_throw) {
  std::mutex guard;
  std::vector<std::string> told;
  std::promise<int> from_the_handler;
  cm::process_pool pool(1);
  cm::set_log_handler([&](const cm::log_record& r) {
    {
      const std::lock_guard hold(guard);
      told.emplace_back(r.text);
    }
    if (r.text == "first 1") throw std::domain_error("enough");
    if (r.text == "first 2") {
      from_the_handler.set_value(pool.submit([](int n) { return n + 1; }, 5).get());
    }
  });
  EXPECT_EQ(pool.submit(say_twice, 1).get(), 1);
  EXPECT_EQ(pool.submit(say_twice, 2).get(), 2);
  EXPECT_EQ(from_the_handler.get_future().get(), 6);
  pool.join();
  const std::vector<std::string> wanted{"first 1", "the log handler has thrown: enough", "second 1", "first 2",
                                        "second 2"};
  EXPECT_EQ(told, wanted);
}

TEST_F(logs_of_submitted_tasks, of_a_task_that_kills_its_worker_are_told) {
  keep();
  cm::process_pool pool(1);
  EXPECT_THROW((void)pool
                   .submit([] {
                     cm::log(cm::log_level::error, "last words");
                     std::raise(SIGKILL);
                     return 0;
                   })
                   .get(),
               cm::worker_died);
  pool.terminate();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].text, "last words");
}

INSTANTIATE_TEST_SUITE_P(on, logs_of_processes, testing::Values(cm::process));

}  // namespace
