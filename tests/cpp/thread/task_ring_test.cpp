// task_ring: each task comes out once, whoever claims, takes over, overtakes or overflows; nothing that is queued is
// hidden from empty().
#include "thread/task_ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <latch>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

using centimane::detail::small_function;
using centimane::detail::task_ring;
using popped = task_ring::popped;

/// A task that notes its number when it is run.
small_function task(std::vector<int>& ran, int number) {
  return small_function([&ran, number] { ran.push_back(number); });
}
std::vector<int> numbers(int from, int to) {
  std::vector<int> all;
  for (int i = from; i < to; ++i) all.push_back(i);
  return all;
}

TEST(TaskRing, AClaimIsOpenToOthers) {
  task_ring ring(64, 2);
  std::vector<int> ran;
  for (int i = 0; i < 32; ++i) ring.push(task(ran, i));
  small_function out;
  ASSERT_EQ(ring.pop(out, &ring.claim_of(0)), popped::several) << "a long queue is claimed from";
  out();
  // Worker 0 is busy with task 0 for ever. The other gets all the rest.
  while (ring.pop(out, &ring.claim_of(1)) != popped::none) out();
  EXPECT_TRUE(ring.empty());
  std::sort(ran.begin(), ran.end());
  EXPECT_EQ(ran, numbers(0, 32));
}

TEST(TaskRing, WhoHasNoClaimGetsEverything) {
  task_ring ring(64, 2);
  std::vector<int> ran;
  for (int i = 0; i < 32; ++i) ring.push(task(ran, i));
  small_function out;
  ASSERT_EQ(ring.pop(out, &ring.claim_of(0)), popped::several);
  out();
  while (ring.pop(out) != popped::none) out();
  EXPECT_TRUE(ring.empty());
  std::sort(ran.begin(), ran.end());
  EXPECT_EQ(ran, numbers(0, 32));
}

TEST(TaskRing, EmptyKnowsOfClaims) {
  task_ring ring(16, 1);
  std::vector<int> ran;
  for (int i = 0; i < 8; ++i) ring.push(task(ran, i));
  small_function out;
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(ring.empty()) << i;
    ASSERT_NE(ring.pop(out, &ring.claim_of(0)), popped::none);
    out();
  }
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.pop(out, &ring.claim_of(0)), popped::none);
}

TEST(TaskRing, AShortQueueIsNotClaimedFrom) {
  task_ring ring(64, 4);
  std::vector<int> ran;
  for (int i = 0; i < 8; ++i) ring.push(task(ran, i));
  small_function out;
  EXPECT_EQ(ring.pop(out, &ring.claim_of(0)), popped::one) << "two for each of the others, and one";
  out();
}

TEST(TaskRing, OneWorkerGetsThemInOrderThroughRingAndList) {
  task_ring ring(16, 1);
  std::vector<int> ran;
  small_function out;
  int pushed = 0;
  std::minstd_rand random(7);
  // Overflows by several blocks, drains partly, overflows again.
  for (int round = 0; round < 50; ++round) {
    for (auto n = random() % 1000; n-- > 0;) ring.push(task(ran, pushed++));
    for (auto n = random() % 1000; n-- > 0;) {
      if (ring.pop(out, &ring.claim_of(0)) != popped::none) out();
    }
  }
  while (ring.pop(out, &ring.claim_of(0)) != popped::none) out();
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ran, numbers(0, pushed));
}

TEST(TaskRing, AClaimThatLiesStillIsOvertakenByOneLapAtMost) {
  constexpr int capacity = 16;
  task_ring ring(capacity, 2);
  std::vector<int> ran;
  int pushed = 0;
  for (int i = 0; i < capacity; ++i) ring.push(task(ran, pushed++));
  small_function out;
  ASSERT_EQ(ring.pop(out, &ring.claim_of(0)), popped::several);
  out();  // and is never seen again
  while (std::find(ran.begin(), ran.end(), 1) == ran.end()) {
    ring.push(task(ran, pushed++));
    ASSERT_NE(ring.pop(out, &ring.claim_of(1)), popped::none);
    out();
    ASSERT_LT(ran.size(), 3U * capacity) << "task 1 is overtaken for ever";
  }
}

TEST(TaskRing, WhatIsLeftIsDestroyed) {
  auto token = std::make_shared<int>(0);
  {
    task_ring ring(16, 1);
    for (int i = 0; i < 1000; ++i) ring.push(small_function([token] {}));
    small_function out;
    ASSERT_EQ(ring.pop(out, &ring.claim_of(0)), popped::several);
  }
  EXPECT_EQ(token.use_count(), 1);
}

/// Producers and workers of which each lets its claim lie now and then. Each task comes out exactly once.
TEST(TaskRing, EachOnceUnderThreads) {
  const std::uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  constexpr int producers = 2, consumers = 3, each = 40'000, all = producers * each;
  task_ring ring(64, consumers);
  auto ran = std::make_unique<std::array<std::atomic<int>, all>>();
  std::atomic<int> done{0};
  std::latch start(producers + consumers);
  std::vector<std::thread> threads;
  for (int p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] {
      start.arrive_and_wait();
      const auto how = p == 0 ? task_ring::patience::none : task_ring::patience::some;
      for (int i = p * each; i < (p + 1) * each; ++i) {
        ring.push(small_function([&, i] {
                    (*ran)[static_cast<std::size_t>(i)].fetch_add(1);
                    done.fetch_add(1);
                  }),
                  how);
      }
    });
  }
  for (int c = 0; c < consumers; ++c) {
    threads.emplace_back([&, c] {
      std::minstd_rand random(seed + static_cast<std::uint32_t>(c));
      start.arrive_and_wait();
      small_function out;
      task_ring::claim& mine = ring.claim_of(static_cast<std::size_t>(c));
      while (done.load() != all) {
        if (ring.pop(out, &mine) == popped::none) {
          std::this_thread::yield();
          continue;
        }
        out();
        if (random() % 512 == 0) {
          for (int i = 0; i < 20; ++i) std::this_thread::yield();
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_TRUE(ring.empty());
  for (int i = 0; i < all; ++i) ASSERT_EQ((*ran)[static_cast<std::size_t>(i)].load(), 1) << i;
}

}  // namespace
