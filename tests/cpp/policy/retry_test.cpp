// The retry schedule to the tick.
#include "policy/retry.hpp"

#include <gtest/gtest.h>

#include <set>

namespace centimane::policy {
namespace {

retry_rules plain(std::uint32_t attempts, nanos backoff) {
  retry_rules r;
  r.attempts = attempts;
  r.backoff = backoff;
  r.jitter = false;
  return r;
}

TEST(RetrySchedule, EndsWithTheLastAttempt) {
  retry_schedule s(plain(3, 5));
  EXPECT_TRUE(s.wait_after(1, 0).has_value());
  EXPECT_TRUE(s.wait_after(2, 0).has_value());
  EXPECT_FALSE(s.wait_after(3, 0).has_value());
  EXPECT_FALSE(s.wait_after(4, 0).has_value());
}

TEST(RetrySchedule, OneAttemptIsNoRetry) { EXPECT_FALSE(retry_schedule(retry_rules{}).wait_after(1, 0).has_value()); }

TEST(RetrySchedule, Doubles) {
  retry_schedule s(plain(9, 5));
  EXPECT_EQ(s.wait_after(1, 0), 5);
  EXPECT_EQ(s.wait_after(2, 0), 10);
  EXPECT_EQ(s.wait_after(3, 0), 20);
  EXPECT_EQ(s.wait_after(8, 0), 640);
}

TEST(RetrySchedule, StopsGrowingAtMaxDelay) {
  retry_rules r = plain(UINT32_MAX, 5);
  r.max_delay = 17;
  retry_schedule s(r);
  EXPECT_EQ(s.wait_after(2, 0), 10);
  EXPECT_EQ(s.wait_after(3, 0), 17);
  EXPECT_EQ(s.wait_after(4'000'000'000U, 0), 17);
}

TEST(RetrySchedule, CutsAFirstBackoffAboveMaxDelay) {
  retry_rules r = plain(2, 50);
  r.max_delay = 17;
  EXPECT_EQ(retry_schedule(r).wait_after(1, 0), 17);
}

TEST(RetrySchedule, NeverOverflows) {
  retry_schedule s(plain(UINT32_MAX, 3));
  EXPECT_EQ(s.wait_after(62, 0), 3 * (nanos{1} << 61));
  EXPECT_EQ(s.wait_after(63, 0), never);
  EXPECT_EQ(s.wait_after(64, 0), never);
  EXPECT_EQ(s.wait_after(1'000'000, 0), never);
  retry_schedule one(plain(UINT32_MAX, 1));
  EXPECT_EQ(one.wait_after(63, 0), nanos{1} << 62);
  EXPECT_EQ(one.wait_after(64, 0), never);
}

TEST(RetrySchedule, WithoutBackoffGoesOutAtOnce) {
  retry_schedule s(plain(UINT32_MAX, 0));
  EXPECT_EQ(s.wait_after(1, 0), 0);
  EXPECT_EQ(s.wait_after(4'000'000'000U, 0), 0);
}

TEST(RetrySchedule, JitterStaysInTheUpperHalfAndFillsIt) {
  retry_rules r = plain(9, 11);
  r.jitter = true;
  retry_schedule s(r);
  std::set<nanos> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(*s.wait_after(1, 0));
  EXPECT_EQ(seen, (std::set<nanos>{6, 7, 8, 9, 10, 11}));
}

TEST(RetrySchedule, JitterOfTheLongestDelayStaysInRange) {
  retry_rules r = plain(UINT32_MAX, never);
  r.jitter = true;
  retry_schedule s(r);
  for (int i = 0; i < 1000; ++i) {
    const nanos d = *s.wait_after(9, 0);
    EXPECT_GE(d, never / 2);
  }
}

TEST(RetrySchedule, JitterReplaysFromItsSeed) {
  retry_rules r = plain(9, 1'000'000'000);
  r.jitter = true;
  r.seed = 7;
  retry_schedule a(r);
  retry_schedule b(r);
  r.seed = 8;
  retry_schedule c(r);
  int same = 0;
  for (int i = 0; i < 20; ++i) {
    const nanos d = *a.wait_after(1, 0);
    EXPECT_EQ(d, b.wait_after(1, 0));
    same += d == c.wait_after(1, 0) ? 1 : 0;
  }
  EXPECT_LT(same, 3);
}

TEST(RetrySchedule, AServersWaitIsAFloorUnderBackoff) {
  retry_schedule s(plain(9, 10));
  EXPECT_EQ(s.wait_after(1, 500), 500);
  EXPECT_EQ(s.wait_after(1, 3), 10);
}

TEST(RetrySchedule, AServersWaitIsCutAtItsMaximumAndNotByMaxDelay) {
  retry_rules r = plain(9, 10);
  r.max_delay = 20;
  r.max_server_wait = 100;
  retry_schedule s(r);
  EXPECT_EQ(s.wait_after(1, 60), 60);
  EXPECT_EQ(s.wait_after(1, 86'400), 100);
  EXPECT_EQ(s.honoured(86'400), 100);
  EXPECT_EQ(s.honoured(-5), 0);
}

}  // namespace
}  // namespace centimane::policy
