// The limiter to the tick.
#include "policy/limiter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace centimane::policy {
namespace {

/// When each of n tokens is given to somebody who takes one as soon as it is there.
std::vector<nanos> greedy(limiter& l, nanos from, std::size_t n) {
  std::vector<nanos> given;
  for (nanos now = from; given.size() < n; now = l.ready_at(now)) {
    if (l.available(now) == 0) continue;
    l.take(now, 1);
    given.push_back(now);
  }
  return given;
}

/// The most tokens in any half-open span of `per`.
std::size_t densest(const std::vector<nanos>& given, nanos per) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    std::size_t n = 0;
    while (i + n < given.size() && given[i + n] < given[i] + per) ++n;
    most = std::max(most, n);
  }
  return most;
}

TEST(Limiter, GivesAtAnEvenPace) {
  limiter l(5, 100, 1);
  EXPECT_EQ(greedy(l, 1000, 6), (std::vector<nanos>{1000, 1020, 1040, 1060, 1080, 1100}));
}

TEST(Limiter, RoundsAPeriodThatDoesNotDivideUp) {
  limiter l(3, 10, 1);
  EXPECT_EQ(greedy(l, 0, 4), (std::vector<nanos>{0, 4, 8, 12}));
}

TEST(Limiter, GivesABurstAtOnceAndThenTheEvenPace) {
  limiter l(2, 10, 3);
  EXPECT_EQ(l.available(7), 3U);
  EXPECT_EQ(greedy(l, 7, 6), (std::vector<nanos>{7, 7, 7, 12, 17, 22}));
}

TEST(Limiter, SavesNoMoreThanTheBurst) {
  limiter l(2, 10, 3);
  l.take(0, 3);
  EXPECT_EQ(l.available(4), 0U);
  EXPECT_EQ(l.available(5), 1U);
  EXPECT_EQ(l.available(14), 2U);
  EXPECT_EQ(l.available(15), 3U);
  EXPECT_EQ(l.available(1'000'000), 3U);
}

TEST(Limiter, ExpectsWhatWillHaveCome) {
  limiter l(1, 10, 3);
  EXPECT_EQ(l.expected(0, 0), 3U);
  EXPECT_EQ(l.expected(0, 9), 3U);
  EXPECT_EQ(l.expected(0, 10), 4U);
  EXPECT_EQ(l.expected(0, never), static_cast<index>(never / 10) + 1);
  l.take(0, 3);
  EXPECT_EQ(l.expected(0, 9), 0U);
  EXPECT_EQ(l.expected(0, 20), 2U);
  EXPECT_EQ(l.expected(10, 19), 2U);
  EXPECT_EQ(l.expected(10, 20), 3U);
  l.pause_until(50);
  EXPECT_EQ(l.expected(49, 1000), 0U);
  EXPECT_EQ(l.expected(50, 0), 3U);
}

TEST(Limiter, NeverExceedsItsPromiseInAnySpan) {
  for (index count = 1; count <= 7; ++count) {
    for (nanos per = 1; per <= 40; ++per) {
      for (index burst = 1; burst <= 4; ++burst) {
        limiter l(count, per, burst);
        EXPECT_LE(densest(greedy(l, 3, 60), per), count + burst - 1) << count << " in " << per << ", burst " << burst;
      }
    }
  }
}

TEST(Limiter, ReachesItsPromiseWhereThePeriodDivides) {
  limiter l(5, 100, 3);
  EXPECT_EQ(densest(greedy(l, 0, 60), 100), 7U);
}

TEST(Limiter, NamesTheFirstMomentWithAToken) {
  limiter l(3, 10, 2);
  l.take(5, 2);
  const nanos ready = l.ready_at(6);
  EXPECT_EQ(ready, 9);
  EXPECT_EQ(l.available(ready - 1), 0U);
  EXPECT_EQ(l.available(ready), 1U);
  EXPECT_EQ(l.ready_at(50), 50);
}

TEST(Limiter, TakesWhatIsThereAndSaysHowMany) {
  limiter l(1, 10, 4);
  EXPECT_EQ(l.take_up_to(0, 3), 3U);
  EXPECT_EQ(l.take_up_to(0, 3), 1U);
  EXPECT_EQ(l.take_up_to(0, 3), 0U);
  EXPECT_EQ(l.take_up_to(25, 0), 0U);
  EXPECT_EQ(l.available(25), 2U);
}

TEST(Limiter, PausesForEverybodyAndIsNeverShortened) {
  limiter l(1, 10, 2);
  l.pause_until(100);
  l.pause_until(50);
  EXPECT_EQ(l.available(99), 0U);
  EXPECT_EQ(l.ready_at(20), 100);
  EXPECT_EQ(l.available(100), 2U);
}

TEST(Limiter, PausedForEverIsNeverReady) {
  limiter l(1, 10, 1);
  l.pause_until(never);
  EXPECT_EQ(l.ready_at(5), never);
  EXPECT_EQ(l.available(never - 1), 0U);
}

TEST(Limiter, BearsRatesAndBurstsWithoutEnd) {
  limiter fast(UINT64_MAX, 1'000'000'000, UINT64_MAX);
  EXPECT_GT(fast.available(10), 1'000'000'000U);
  fast.take(10, fast.available(10));
  EXPECT_EQ(fast.available(10), 0U);
  EXPECT_EQ(fast.available(11), 1U);

  limiter slow(1, never, UINT64_MAX);
  slow.take(10, 1);
  EXPECT_GE(slow.available(10), 1U);

  limiter once(1, never, 1);
  once.take(10, 1);
  EXPECT_EQ(once.available(1'000'000'000'000'000'000), 0U);
}

}  // namespace
}  // namespace centimane::policy
