// What a stream holds back and hands out.
#include "policy/run_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace centimane::policy {
namespace {

template <class Order>
std::pair<index, index> taken(Order& o) {
  const stretch s = o.take();
  return {s.first, s.count};
}
using range = std::pair<index, index>;

TEST(RunOrder, HandsOutWhatFollows) {
  run_order o;
  EXPECT_TRUE(o.empty());
  o.settled(0, 5);
  o.settled(5, 2);
  EXPECT_FALSE(o.empty());
  EXPECT_EQ(taken(o), range(0, 7));
  EXPECT_TRUE(o.empty());
  EXPECT_EQ(taken(o).second, 0U);
}

TEST(RunOrder, HoldsBackWhatHasOvertaken) {
  run_order o;
  o.settled(1, 1);
  o.settled(3, 60);
  EXPECT_TRUE(o.empty());
  o.settled(0, 1);
  EXPECT_EQ(taken(o), range(0, 2));
  o.settled(2, 1);
  EXPECT_EQ(taken(o), range(2, 61));
}

TEST(RunOrder, CrossesWordsAtEveryOffset) {
  for (index start = 0; start < 130; ++start) {
    for (const index n : {1U, 63U, 64U, 65U, 128U, 1000U}) {
      run_order o;
      if (start > 0) o.settled(0, start);
      o.settled(start + 1, n);
      EXPECT_EQ(taken(o).second, start);
      o.settled(start, 1);
      EXPECT_EQ(taken(o), range(start, n + 1)) << start << " " << n;
      o.settled(start + n + 2, 1);
      EXPECT_TRUE(o.empty());
    }
  }
}

TEST(RunOrder, AnyOrderOfRangesComesOutInOrderAndWhole) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<range> ranges;
    index n = 0;
    while (n < 3000) {
      const index k = 1 + random() % 150;
      ranges.emplace_back(n, k);
      n += k;
    }
    // Settled near their order, as workers do: each at most a few ranges ahead.
    for (std::size_t i = 0; i + 4 < ranges.size(); ++i) std::swap(ranges[i], ranges[i + random() % 4]);
    run_order o;
    index next = 0;
    for (const auto& [first, count] : ranges) {
      o.settled(first, count);
      const auto [from, k] = taken(o);
      EXPECT_EQ(from, next) << "seed " << seed;
      next += k;
    }
    EXPECT_EQ(next, n) << "seed " << seed;
  }
}

TEST(RunOrder, LastItemFirst) {
  run_order o;
  for (index i = 100'000; i-- > 1;) o.settled(i, 1);
  EXPECT_TRUE(o.empty());
  o.settled(0, 1);
  EXPECT_EQ(taken(o), range(0, 100'000));
}

TEST(LooseOrder, IsFirstInFirstOutAndJoinsNeighbours) {
  loose_order o;
  o.settled(7, 1);
  o.settled(3, 2);
  o.settled(5, 1);
  o.settled(0, 1);
  EXPECT_EQ(taken(o), range(7, 1));
  EXPECT_EQ(taken(o), range(3, 3));
  EXPECT_FALSE(o.empty());
  EXPECT_EQ(taken(o), range(0, 1));
  EXPECT_TRUE(o.empty());
  EXPECT_EQ(taken(o).second, 0U);
}

}  // namespace
}  // namespace centimane::policy
