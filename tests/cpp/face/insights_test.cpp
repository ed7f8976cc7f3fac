// insights of runs, on every executor: what is always counted, and what `.insights` adds.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::size_t items_of(const cm::insights& seen) {
  std::size_t n = 0;
  for (const auto& w : seen.workers) n += w.items;
  return n;
}

class insights : public testing::TestWithParam<cm::executor> {};

TEST_P(insights, items_are_always_counted_times_are_not) {
  auto result = cm::parallel_map([](int n) { return n + 1; }, numbers(5000), {.executor = GetParam(), .workers = 2});
  const cm::insights& seen = result.insights();
  EXPECT_FALSE(seen.detailed);
  EXPECT_EQ(seen.items, 5000u);
  EXPECT_EQ(seen.failed, 0u);
  EXPECT_EQ(seen.attempts, 5000u);
  EXPECT_EQ(items_of(seen), 5000u);
  EXPECT_GT(seen.elapsed, 0ns);
  EXPECT_TRUE(seen.slowest.empty());
  for (const auto& w : seen.workers) EXPECT_EQ(w.busy, 0ns);
}

TEST_P(insights, times_are_taken_on_request) {
  auto result = cm::parallel_map([](int n) { return std::vector<int>(100, n); }, numbers(500),
                                 {.executor = GetParam(), .workers = 2, .insights = true});
  EXPECT_TRUE(result.ok());
  const cm::insights& seen = result.insights();
  EXPECT_TRUE(seen.detailed);
  EXPECT_EQ(seen.items, 500u);
  EXPECT_EQ(items_of(seen), 500u);
  ASSERT_FALSE(seen.workers.empty());
  for (const auto& w : seen.workers) {
    EXPECT_EQ(w.busy, w.running + w.serialisation);
    EXPECT_GE(w.idle, 0ns);
    EXPECT_EQ(w.pid != 0, GetParam().which() == cm::executor::kind::process);
    EXPECT_TRUE(w.items == 0 || w.busy > 0ns);
  }
  ASSERT_EQ(seen.slowest.size(), 10u);
  EXPECT_TRUE(
      std::is_sorted(seen.slowest.begin(), seen.slowest.end(), [](auto& a, auto& b) { return a.time > b.time; }));
  for (const auto& s : seen.slowest) EXPECT_LT(s.index, 500u);
  std::ostringstream out;
  out << seen;
  EXPECT_EQ(out.str().rfind("500 items in ", 0), 0u) << out.str();
}

TEST_P(insights, failures_and_attempts_are_counted) {
  const auto fails = [](int n) -> int {
    if (n % 5 == 0) throw std::runtime_error("no");
    return n;
  };
  for (const bool asked : {false, true}) {
    auto result = cm::parallel_map(
        fails, numbers(20),
        {.executor = GetParam(), .workers = 2, .retry = cm::retry{.attempts = 3, .jitter = false}, .insights = asked});
    EXPECT_EQ(result.insights().items, 20u);
    EXPECT_EQ(result.insights().failed, 4u);
    EXPECT_EQ(result.insights().attempts, 28u);
    EXPECT_EQ(items_of(result.insights()), 20u);
  }
}

TEST_P(insights, of_streams_are_there_while_they_run) {
  auto s = cm::parallel_iter([](int n) { return n; }, numbers(3000),
                             {.executor = GetParam(), .workers = 2, .window_size = 100, .insights = true});
  EXPECT_EQ(s.insights().items, 0u);
  std::size_t taken = 0;
  for ([[maybe_unused]] auto& r : s) {
    ++taken;
    if (taken % 1000 == 0) {
      const cm::insights seen = s.insights();
      EXPECT_GE(seen.items, taken);
      EXPECT_LE(seen.items, taken + 100);
    }
  }
  EXPECT_EQ(s.insights().items, 3000u);
  EXPECT_EQ(items_of(s.insights()), 3000u);
  EXPECT_EQ(s.insights().elapsed, s.insights().elapsed) << "as it was at its end";
}

INSTANTIATE_TEST_SUITE_P(on, insights, testing::Values(cm::sequential, cm::thread, cm::process));

TEST(insights_of_processes, a_death_is_seen) {
  const auto fragile = [](int n) {
    if (n == 3) std::raise(SIGKILL);
    return n;
  };
  auto result = cm::parallel_map(fragile, numbers(8), {.executor = cm::process, .workers = 1, .insights = true});
  EXPECT_EQ(result.failures().size(), 1u);
  EXPECT_EQ(result.insights().failed, 1u);
  EXPECT_EQ(items_of(result.insights()), 8u);
  std::size_t processes = 0;
  for (const auto& w : result.insights().workers) processes += w.processes;
  EXPECT_GE(processes, 2u);
}

TEST(insights_of_processes, large_results_are_timed_too) {
  auto result = cm::parallel_map([](int) { return std::vector<double>(100'000, 1.0); }, numbers(4),
                                 {.executor = cm::process, .workers = 1, .insights = true});
  ASSERT_EQ(result.insights().slowest.size(), 4u);
  EXPECT_GT(result.insights().workers.at(0).serialisation, 0ns);
  EXPECT_EQ(result.values()[3].size(), 100'000u);
}

}  // namespace
