// spin_budget: short where looking is in vain, and never so short that a change is missed.
#include "thread/spin_budget.hpp"

#include <gtest/gtest.h>

namespace {

using centimane::detail::spin_budget;

TEST(SpinBudget, ShrinksInVainAndProbesNowAndThen) {
  spin_budget budget(128);
  EXPECT_EQ(budget.looks(), 128);
  int looks = 0, long_ones = 0;
  for (int i = 0; i < 160; ++i) {
    budget.ended(false);
    const int n = budget.looks();
    ASSERT_GT(n, 0);
    looks += n;
    long_ones += n == 128 ? 1 : 0;
  }
  EXPECT_EQ(long_ones, 10);
  EXPECT_LT(looks, 160 * 128 / 8);
}

TEST(SpinBudget, IsWholeAgainAfterOneFind) {
  spin_budget budget(256);
  for (int i = 0; i < 40; ++i) budget.ended(false);
  budget.ended(true);
  EXPECT_EQ(budget.looks(), 256);
}

}  // namespace
