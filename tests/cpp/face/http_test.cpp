#include "centimane/http.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "centimane/parallel.hpp"
#include "leak_check.hpp"

namespace centimane {
namespace {

using namespace std::chrono_literals;

class http : public test::leak_check {};

class http_error : public std::runtime_error {
 public:
  explicit http_error(http_reply r) : std::runtime_error("the service answered"), reply(std::move(r)) {}
  http_reply reply;
};

http_reply reply_of(const http_error& e) { return e.reply; }

std::optional<std::chrono::nanoseconds> wait(std::string_view value, std::string_view date = "") {
  const auto found = retry_after(value, date);
  return found ? std::optional(found->get()) : std::nullopt;
}

constexpr const char* now = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST_F(http, retry_after_in_seconds) {
  EXPECT_EQ(wait("120"), 120s);
  EXPECT_EQ(wait(" 0 "), 0s);
  EXPECT_EQ(wait("1.5"), 1500ms);
  for (const char* bad : {"", "-1", "soon", "1e999", "nan", "12 s", "0x10"})
    EXPECT_EQ(wait(bad, now), std::nullopt) << bad;
}

TEST_F(http, retry_after_as_a_date_in_three_forms) {
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:50:07 GMT", now), 30s);
  EXPECT_EQ(wait("Sunday, 06-Nov-94 08:50:07 GMT", now), 30s);
  EXPECT_EQ(wait("Sun Nov  6 08:50:07 1994", now), 30s);
  EXPECT_EQ(wait("Thu, 01 Jan 2026 00:00:00 GMT", "Wed, 31 Dec 2025 23:00:00 GMT"), 1h);
  EXPECT_EQ(wait("Fri, 29 Feb 2024 00:00:00 GMT", "Wed, 28 Feb 2024 00:00:00 GMT"), 24h);
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:07 GMT", now), 0s) << "it has passed";
}

TEST_F(http, a_date_that_cannot_be_read_or_has_nothing_to_count_from_is_not_followed) {
  EXPECT_EQ(wait(now), std::nullopt);
  EXPECT_EQ(wait(now, "today"), std::nullopt);
  for (const char* bad : {"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                          "Sun, 06 Bad 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 06 Nov 1994"})
    EXPECT_EQ(wait(bad, now), std::nullopt) << bad;
}

/// How many attempts a task had that always fails so.
template <class Error>
int attempts_at(const Error& error, retry how) {
  std::atomic<int> attempts{0};
  how.backoff = 0ms;
  auto result = parallel_map(
      [&](int) -> int {
        ++attempts;
        throw error;
      },
      std::vector{0}, {.workers = 1, .retry = how});
  EXPECT_EQ(result.failures().size(), 1U);
  return attempts;
}

TEST_F(http, statuses_say_what_is_tried_again) {
  const retry usual = retry_for_http<http_error>(reply_of);
  for (const int status : {429, 503, 0}) EXPECT_EQ(attempts_at(http_error({.status = status}), usual), 3) << status;
  for (const int status : {400, 404, 500}) EXPECT_EQ(attempts_at(http_error({.status = status}), usual), 1) << status;
  EXPECT_EQ(attempts_at(http_error({.status = 500}), retry_for_http<http_error>(reply_of, {.attempts = 2}, {500})), 2);
}

TEST_F(http, other_errors_are_tried_again_where_they_are_named) {
  const std::logic_error other("no connection");
  EXPECT_EQ(attempts_at(other, retry_for_http<http_error>(reply_of)), 1);
  EXPECT_EQ(attempts_at(other, retry_for_http<http_error>(reply_of, {.on = errors<http_error, std::logic_error>})), 3);
}

TEST_F(http, the_wait_is_the_services) {
  const retry how = retry_for_http<http_error>(reply_of);
  EXPECT_EQ(how.backoff.get(), 1s);
  const auto asked = [&](http_reply r) {
    return how.wait_from(any_error(std::make_exception_ptr(http_error(std::move(r)))));
  };
  EXPECT_EQ(asked({.status = 429, .retry_after = "7"})->get(), 7s);
  EXPECT_EQ(asked({.status = 503, .retry_after = "Sun, 06 Nov 1994 08:50:07 GMT", .date = now})->get(), 30s);
  EXPECT_FALSE(asked({.status = 429}));
  EXPECT_FALSE(how.wait_from(any_error(std::make_exception_ptr(std::runtime_error("other")))));
}

TEST_F(http, what_it_sets_itself_is_refused) {
  EXPECT_THROW((void)retry_for_http<http_error>(reply_of, {.retry_if = [](const any_error&) { return true; }}),
               std::invalid_argument);
  EXPECT_THROW((void)retry_for_http<http_error>(
                   reply_of, {.wait_from = [](const any_error&) { return std::optional<time_span>(); }}),
               std::invalid_argument);
}

}  // namespace
}  // namespace centimane
