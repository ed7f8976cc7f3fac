// Options: what is refused, where, and that one `options` serves runs of every type.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

const std::vector<int> items{1, 2, 3};
int same(int n) { return n; }

TEST(options, counts_take_any_integer_but_no_negative) {
  EXPECT_EQ(cm::count(7u), 7u);
  EXPECT_EQ(cm::count(items.size()), 3u);
  EXPECT_THROW(cm::count(-1), std::invalid_argument);
  static_assert(!std::is_convertible_v<bool, cm::count> && !std::is_convertible_v<double, cm::count>);
}

TEST(options, times_take_any_duration_but_no_negative_and_no_nan) {
  EXPECT_EQ(cm::time_span(0.5s).get(), 500ms);
  EXPECT_EQ(cm::time_span(2h).get(), 2h);
  EXPECT_THROW(cm::time_span(-1ns), std::invalid_argument);
  EXPECT_THROW(cm::time_span(std::chrono::duration<double>(std::nan(""))), std::invalid_argument);
  EXPECT_TRUE(cm::time_span(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).infinite());
  EXPECT_TRUE(cm::time_span(std::chrono::hours(24 * 366 * 300)).infinite());
}

TEST(options, bad_values_are_refused_before_work_starts) {
  EXPECT_THROW(cm::rate_limit(0), std::invalid_argument);
  EXPECT_THROW(cm::rate_limit(-2.5), std::invalid_argument);
  EXPECT_THROW(cm::rate_limit(1, cm::per::second, 0), std::invalid_argument);
  int ran = 0;
  auto f = [&](int) { return ++ran; };
  EXPECT_THROW((void)cm::parallel_map(f, items, {.retry = cm::retry{.attempts = 0}}), std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(f, items, {.task_timeout = 0s}), std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(f, items, {.max_errors = 0}), std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(f, items, {.executor = cm::sequential, .worker_init = [] {}}),
               std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(f, items, {.max_tasks_per_worker = 1}), std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(same, items, {.executor = cm::process, .task_timeout = 0s}),
               std::invalid_argument);
  EXPECT_THROW((void)cm::parallel_map(same, items, {.workers = 100'000}), std::invalid_argument);
  EXPECT_EQ(ran, 0);
}

TEST(options, one_serves_runs_of_every_type) {
  const cm::options polite{.executor = cm::sequential, .window_size = 2};
  EXPECT_EQ(cm::parallel_map(same, items, polite).values()[2], 3);
  EXPECT_EQ(cm::parallel_map([](int n) { return std::to_string(n); }, items, polite).values()[2], "3");
  EXPECT_TRUE(cm::parallel_map([](int) {}, items, polite).ok());
}

TEST(errors, copies_share_and_do_not_throw) {
  static_assert(std::is_nothrow_copy_constructible_v<cm::worker_died> &&
                std::is_nothrow_copy_constructible_v<cm::exception_group>);
  cm::any_error none;
  EXPECT_FALSE(none);
  EXPECT_STREQ(none.what(), "");
  cm::any_error number(std::make_exception_ptr(42));
  EXPECT_EQ(number.type_name(), "int");
  EXPECT_EQ(*number.as<int>(), 42);
  EXPECT_EQ(number.as<std::exception>(), nullptr);
  cm::any_error range(std::make_exception_ptr(std::out_of_range("far")));
  EXPECT_STREQ(range.as<std::logic_error>()->what(), "far");
  EXPECT_EQ(range.type_name(), "std::out_of_range");
}

TEST(errors, filters) {
  auto died = std::make_exception_ptr(cm::worker_died("x"));
  auto range = std::make_exception_ptr(std::range_error("x"));
  EXPECT_TRUE(cm::error_filter()(range));
  EXPECT_FALSE(cm::error_filter()(died));
  EXPECT_FALSE(cm::error_filter()(std::make_exception_ptr(1)));
  EXPECT_TRUE(cm::errors<cm::worker_died>(died));
  EXPECT_TRUE((cm::errors<std::logic_error, std::runtime_error>(range)));
  EXPECT_FALSE(cm::errors<std::logic_error>(range));
}

}  // namespace
