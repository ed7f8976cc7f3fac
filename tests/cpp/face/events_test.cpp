// `.on_event` on every executor: what a run tells, in which order, and what an exception there does.
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
namespace ev = centimane::events;
using namespace std::chrono_literals;

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

struct diary {
  std::vector<cm::event> all;
  template <class E>
  std::vector<E> of() const {
    std::vector<E> some;
    for (const cm::event& e : all) {
      if (const E* one = std::get_if<E>(&e)) some.push_back(*one);
    }
    return some;
  }
  std::function<void(const cm::event&)> hook() {
    return [this](const cm::event& e) { all.push_back(e); };
  }
};

class events_of : public testing::TestWithParam<cm::executor> {};

TEST_P(events_of, each_attempt_between_begin_and_end) {
  diary seen;
  const auto me = std::this_thread::get_id();
  auto result = cm::parallel_map([](int n) { return n; }, numbers(100),
                                 {.executor = GetParam(), .workers = 2, .on_event = [&](const cm::event& e) {
                                    EXPECT_EQ(std::this_thread::get_id(), me);
                                    seen.all.push_back(e);
                                  }});
  EXPECT_TRUE(result.ok());
  ASSERT_TRUE(std::holds_alternative<ev::run_begun>(seen.all.front()));
  ASSERT_TRUE(std::holds_alternative<ev::run_ended>(seen.all.back()));
  EXPECT_EQ(std::get<ev::run_ended>(seen.all.back()).status, cm::run_status::completed);
  const auto attempts = seen.of<ev::attempt_ended>();
  ASSERT_EQ(attempts.size(), 100u);
  std::vector<bool> told(100);
  for (const auto& a : attempts) {
    told[a.index] = true;
    EXPECT_EQ(a.attempt, 1u);
    EXPECT_EQ(a.outcome, ev::outcome::value);
    EXPECT_TRUE(a.final);
    EXPECT_GE(a.worker, 0);
    EXPECT_GE(a.began, std::get<ev::run_begun>(seen.all.front()).at);
    EXPECT_LE(a.began, a.at);
    EXPECT_GE(a.running, 0ns);
  }
  EXPECT_EQ(told, std::vector<bool>(100, true));
  EXPECT_EQ(seen.of<ev::worker_started>().empty(), GetParam().which() != cm::executor::kind::process);
}

TEST_P(events_of, retries) {
  diary seen;
  const auto fails = [](int n) -> int {
    if (n == 1) throw std::runtime_error("no");
    return n;
  };
  (void)cm::parallel_map(fails, numbers(3),
                         {.executor = GetParam(),
                          .workers = 2,
                          .retry = cm::retry{.attempts = 2, .jitter = false},
                          .on_event = seen.hook()});
  const auto retries = seen.of<ev::retry_scheduled>();
  ASSERT_EQ(retries.size(), 1u);
  EXPECT_EQ(retries[0].index, 1u);
  EXPECT_EQ(retries[0].attempt, 2u);
  std::vector<std::pair<unsigned, bool>> tries;
  for (const auto& a : seen.of<ev::attempt_ended>()) {
    if (a.index == 1) tries.emplace_back(a.attempt, a.final);
  }
  EXPECT_EQ(tries, (std::vector<std::pair<unsigned, bool>>{{1, false}, {2, true}}));
}

TEST_P(events_of, a_wait_that_an_error_asks_for_pauses_the_limiter) {
  diary seen;
  const auto throttled = [](int n) -> int {
    if (n == 0) throw std::runtime_error("later");
    return n;
  };
  const auto wait = [](const cm::any_error&) -> std::optional<cm::time_span> { return 1ms; };
  (void)cm::parallel_map(throttled, numbers(2),
                         {.executor = GetParam(),
                          .workers = 2,
                          .rate_limit = cm::rate_limit{10'000},
                          .retry = cm::retry{.attempts = 2, .wait_from = wait},
                          .on_event = seen.hook()});
  EXPECT_FALSE(seen.of<ev::limiter_paused>().empty());
}

TEST_P(events_of, an_exception_ends_the_run) {
  int calls = 0;
  const auto hook = [&](const cm::event& e) {
    if (!std::holds_alternative<ev::attempt_ended>(e)) return;
    ++calls;
    throw std::domain_error("enough");
  };
  EXPECT_THROW((void)cm::parallel_map([](int n) { return n; }, numbers(10'000),
                                      {.executor = GetParam(), .workers = 2, .on_event = hook}),
               std::domain_error);
  EXPECT_EQ(calls, 1);
}

TEST_P(events_of, a_stream_left_early) {
  diary seen;
  for ([[maybe_unused]] auto& r : cm::parallel_iter([](int n) { return n; }, numbers(10'000),
                                                    {.executor = GetParam(), .workers = 2, .on_event = seen.hook()})) {
    break;
  }
  ASSERT_FALSE(seen.all.empty());
  ASSERT_TRUE(std::holds_alternative<ev::run_ended>(seen.all.back()));
  EXPECT_EQ(std::get<ev::run_ended>(seen.all.back()).status, cm::run_status::stopped);
}

INSTANTIATE_TEST_SUITE_P(on, events_of, testing::Values(cm::sequential, cm::thread, cm::process));

TEST(events_of_processes, deaths_timeouts_and_successors) {
  diary seen;
  const auto bad = [](int n) {
    if (n == 1) std::raise(SIGKILL);
    while (n == 2) std::this_thread::yield();
    return n;
  };
  (void)cm::parallel_map(bad, numbers(4),
                         {.executor = cm::process, .workers = 1, .task_timeout = 2s, .on_event = seen.hook()});
  const auto deaths = seen.of<ev::worker_died>();
  ASSERT_FALSE(deaths.empty());
  EXPECT_EQ(deaths[0].signal, SIGKILL);
  const auto late = seen.of<ev::task_timed_out>();
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].index, 2u);
  EXPECT_EQ(late[0].limit, 2s);
  std::map<std::size_t, ev::outcome> outcomes;
  for (const auto& a : seen.of<ev::attempt_ended>()) outcomes[a.index] = a.outcome;
  EXPECT_EQ(outcomes[1], ev::outcome::worker_died);
  EXPECT_EQ(outcomes[2], ev::outcome::timed_out);
  EXPECT_EQ(outcomes[3], ev::outcome::value);
  EXPECT_GE(seen.of<ev::worker_started>().size(), 2u);
}

TEST(events_of_processes, recycling) {
  diary seen;
  // It has left when it has left: its successor works on meanwhile.
  for ([[maybe_unused]] auto& r :
       cm::parallel_iter([](int n) { return n; }, std::views::iota(0),
                         {.executor = cm::process, .workers = 1, .max_tasks_per_worker = 5, .on_event = seen.hook()})) {
    if (!seen.of<ev::worker_recycled>().empty()) break;
  }
  EXPECT_FALSE(seen.of<ev::worker_recycled>().empty());
  EXPECT_TRUE(seen.of<ev::worker_died>().empty());
}

}  // namespace
