// A limiter of the C++ face: shared by runs and threads, in line; and what a failure carries of its item.
#include "centimane/limiter.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

TEST(limiter, gives_its_burst_and_then_nothing_before_the_next_is_due) {
  cm::limiter hourly({1, cm::per::hour, 3});
  EXPECT_EQ(hourly.rate().events, 1.0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(hourly.wait(0s));
  EXPECT_FALSE(hourly.wait(0s));
  EXPECT_FALSE(hourly.wait(10min)) << "a wait that would be too long is not begun";
  cm::limiter same = hourly;
  EXPECT_FALSE(same.wait(0s)) << "a copy draws from the same budget";
}

TEST(limiter, is_shared_by_runs_on_every_executor) {
  for (const auto& where : {cm::sequential, cm::thread, cm::process}) {
    cm::limiter four({1, cm::per::hour, 4});
    const std::vector<int> items{1, 2};
    const cm::options how{.executor = where, .workers = 2, .rate_limit = four};
    EXPECT_TRUE(cm::parallel_map([](int n) { return n; }, items, how).ok());
    EXPECT_TRUE(cm::parallel_map([](int n) { return n; }, items, how).ok());
    EXPECT_FALSE(four.wait(0s));
  }
}

TEST(limiter, retries_take_tokens_and_a_servers_wait_pauses_it_for_all) {
  cm::limiter fast({1'000'000, cm::per::second, 100});
  std::stop_source stop;
  cm::options how{.executor = cm::sequential,
                  .rate_limit = fast,
                  .retry = cm::retry{.attempts = 2, .wait_from = [](const cm::any_error&) { return 5min; }},
                  .stop = stop.get_token(),
                  .on_event = [&](const cm::event& e) {
                    if (std::holds_alternative<cm::events::limiter_paused>(e)) stop.request_stop();
                  }};
  (void)cm::parallel_map([](int) { throw std::runtime_error("429"); }, std::vector<int>{1}, how);
  EXPECT_FALSE(fast.wait(1min));
}

TEST(limiter, a_pause_holds_for_everybody_and_is_not_shortened) {
  cm::limiter fast(1e9);
  fast.pause(1h);
  fast.pause(0s);
  EXPECT_FALSE(fast.wait(1min));
  EXPECT_THROW(fast.pause(-1s), std::invalid_argument);
}

TEST(limiter, lets_the_whole_line_through) {
  cm::limiter even({1'000, cm::per::second});
  std::atomic<int> served{0};
  ASSERT_TRUE(even.wait(0s));
  even.pause(50ms);
  std::vector<std::jthread> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] {
      even.wait();
      ++served;
    });
  }
  waiting.clear();
  EXPECT_EQ(served, 4);
}

TEST(limiter, who_gives_up_lets_the_next_one_up) {
  cm::limiter hourly({1, cm::per::hour});
  ASSERT_TRUE(hourly.wait(0s));
  std::vector<std::jthread> waiting;
  std::latch up(3);
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      up.arrive_and_wait();
      EXPECT_FALSE(hourly.wait(1ms));
    });
  }
  waiting.clear();
  EXPECT_FALSE(hourly.wait(0s));
}

TEST(limiter, of_a_file_is_one_for_all_who_name_it) {
  std::string folder = (std::filesystem::temp_directory_path() / "limiter-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    cm::limiter one({1, cm::per::hour, 2}, folder + "/limit"), other({1, cm::per::hour, 2}, folder + "/limit");
    EXPECT_TRUE(one.wait(0s));
    EXPECT_TRUE(cm::parallel_map([](int n) { return n; }, std::vector<int>{1}, {.rate_limit = other}).ok());
    EXPECT_FALSE(one.wait(0s));
    EXPECT_THROW(cm::limiter({2, cm::per::hour, 2}, folder + "/limit"), std::invalid_argument);
    EXPECT_THROW(cm::limiter(1, ""), std::invalid_argument);
    EXPECT_THROW(cm::limiter(1, folder), std::invalid_argument);
  }
  std::filesystem::remove_all(folder);
}

TEST(failures, what_a_predicate_throws_is_the_items_error) {
  for (const auto& where : {cm::sequential, cm::thread, cm::process}) {
    const auto ended_in = [&](cm::retry again) {
      again.attempts = 3;
      const auto result = cm::parallel_map([](int) -> int { throw std::runtime_error("the task's"); },
                                           std::vector<int>{1}, {.executor = where, .workers = 2, .retry = again});
      return std::string(result.failures().at(0).error.what());
    };
    EXPECT_EQ(ended_in({.retry_if = [](const cm::any_error&) -> bool { throw std::runtime_error("retry_if's"); }}),
              "retry_if's");
    EXPECT_EQ(ended_in({.wait_from = [](const cm::any_error&) -> std::optional<cm::time_span> {
                throw std::runtime_error("wait_from's");
              }}),
              "wait_from's");
  }
}

TEST(failures, carry_index_and_key) {
  const std::vector<std::string> items{"a", "b", "c"};
  const cm::options how{.executor = cm::sequential, .item_key = [](const std::string& s) { return s + s; }};
  const auto result = cm::parallel_map(
      [](const std::string& s) {
        if (s == "b") throw std::runtime_error("not that one");
        return s;
      },
      items, how);
  ASSERT_EQ(result.failures().size(), 1U);
  EXPECT_EQ(result.failures()[0].key, "bb");
  for (const auto& [index, error] : result.failures()) {
    EXPECT_EQ(index, 1U);
    EXPECT_STREQ(error.what(), "not that one");
  }
  try {
    result.raise_on_failure();
    ADD_FAILURE();
  } catch (const cm::exception_group& e) {
    EXPECT_EQ(e.failures()[0].index, 1U);
    EXPECT_EQ(e.failures()[0].key, "bb");
    EXPECT_NE(std::string(e.what()).find("item 1 (bb)"), std::string::npos) << e.what();
  }
  const auto unnamed =
      cm::parallel_map([](int n) -> int { throw n; }, std::vector<int>{1}, {.executor = cm::sequential});
  EXPECT_EQ(unnamed.failures()[0].key, "");
}

}  // namespace
