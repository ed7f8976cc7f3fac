// Continuations over the states of thread pools and over states finished by hand.
#include "centimane/then.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "centimane/as_completed.hpp"
#include "centimane/errors.hpp"
#include "centimane/thread_pool.hpp"
#include "centimane/when_all.hpp"
#include "promise.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;
using centimane::test::promise;

namespace {

/// Counts itself while it lives.
struct counted {
  explicit counted(std::atomic<int>& n) : alive(&n) { ++*alive; }
  counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
  counted& operator=(counted&&) = delete;
  ~counted() { --*alive; }
  std::atomic<int>* alive;
};

TEST(Then, GivesWhatTheFunctionMakesOfTheValue) {
  cm::thread_pool pool(2);
  auto text = pool.submit([] { return 6; }).then(pool, [](int n) { return n * 7; }).then(pool, [](const int& n) {
    return std::to_string(n);
  });
  static_assert(std::is_same_v<decltype(text), cm::future<std::string>>);
  EXPECT_EQ(text.get(), "42");
}

TEST(Then, TakesVoidReferencesAndWhatOnlyMoves) {
  cm::thread_pool pool(1);
  int x = 1;
  cm::future<int&> same = pool.submit([] {}).then(pool, [&x]() -> int& { return x; });
  auto changed = std::move(same).then(pool, [](int& n) { n = 5; });
  static_assert(std::is_same_v<decltype(changed), cm::future<void>>);
  changed.get();
  EXPECT_EQ(x, 5);
  auto moved = pool.submit([] { return std::make_unique<int>(3); })
                   .then(pool, [two = std::make_unique<int>(2)](std::unique_ptr<int> n) mutable {
                     *n += *two;
                     return n;
                   });
  EXPECT_EQ(*moved.get(), 5);
}

TEST(Then, RunsInThePoolThatIsNamedReadyOrNot) {
  cm::thread_pool work(1), home(1);
  const auto at_home = home.submit([] { return std::this_thread::get_id(); }).get();
  promise<int> later;
  auto where = later.future().then(home, [](int) { return std::this_thread::get_id(); });
  auto shared = work.submit([] { return 1; });
  shared.wait();
  auto ready = shared.then(home, [](int) { return std::this_thread::get_id(); });
  EXPECT_FALSE(shared.valid());
  EXPECT_THROW((void)shared.then(home, [](int) {}), std::logic_error);
  later.give(1);
  EXPECT_EQ(where.get(), at_home);
  EXPECT_EQ(ready.get(), at_home);
}

TEST(Then, RunsInTheSharedPoolIfNoneIsNamed) {
  promise<int> later;
  auto where = later.future().then([](int n) { return std::pair(n, std::this_thread::get_id()); });
  later.give(4);
  const auto [n, id] = where.get();
  EXPECT_EQ(n, 4);
  EXPECT_NE(id, std::this_thread::get_id());
}

TEST(Then, AnErrorPassesByWithoutACall) {
  cm::thread_pool pool(1);
  bool called = false;
  auto failed = pool.submit([]() -> int { throw std::out_of_range("there"); })
                    .then(pool, [&](int n) { return called = true, n; })
                    .then(pool, [&](int) { called = true; });
  EXPECT_THROW(failed.get(), std::out_of_range);
  EXPECT_FALSE(called);
  EXPECT_THROW(pool.submit([] { return 1; }).then(pool, [](int) { throw std::domain_error("here"); }).get(),
               std::domain_error);
}

TEST(Then, AFunctionOfTheFutureSeesErrors) {
  cm::thread_pool pool(1);
  const auto mend = [](cm::future<int> done) {
    EXPECT_TRUE(done.ready());
    try {
      return done.get();
    } catch (const std::out_of_range&) {
      return -1;
    }
  };
  EXPECT_EQ(pool.submit([]() -> int { throw std::out_of_range("there"); }).then(pool, mend).get(), -1);
  EXPECT_EQ(pool.submit([] { return 2; }).then(pool, mend).get(), 2);
}

TEST(Then, AFutureThatIsGivenIsWaitedFor) {
  cm::thread_pool pool(2);
  promise<int> inner;
  auto outer = pool.submit([] { return 1; }).then(pool, [&pool, f = inner.future()](int n) mutable {
    return f.then(pool, [n](int m) { return n + m; });
  });
  static_assert(std::is_same_v<decltype(outer), cm::future<int>>);
  EXPECT_FALSE(outer.wait_for(0ns));
  inner.give(41);
  EXPECT_EQ(outer.get(), 42);

  promise<void> broken;
  auto fails = pool.submit([] {}).then(pool, [f = broken.future()]() mutable { return std::move(f); });
  broken.give_up();
  EXPECT_THROW(fails.get(), std::runtime_error);
  EXPECT_THROW(pool.submit([] {}).then(pool, [] { return cm::future<int>(); }).get(), std::logic_error);
}

TEST(Then, CancellingGoesUpToWhatHasNotBegun) {
  cm::thread_pool pool(1);
  std::latch begun(1), go(1);
  auto busy = pool.submit([&] { begun.count_down(), go.wait(); });
  begun.wait();
  std::atomic<int> alive{0}, ran{0};
  auto last = pool.submit([&ran] { return ++ran; })
                  .then(pool, [&ran, c = counted(alive)](int) { ++ran; })
                  .then(pool, [&ran, c = counted(alive)] { ++ran; });
  EXPECT_EQ(alive.load(), 2);
  EXPECT_TRUE(last.cancel());
  EXPECT_FALSE(last.cancel());
  EXPECT_TRUE(last.ready());
  EXPECT_EQ(alive.load(), 0) << "what the functions held is gone at once";
  EXPECT_THROW(last.get(), cm::cancelled);
  go.count_down();
  busy.get();
  pool.submit([] {}).get();
  EXPECT_EQ(ran.load(), 0);
}

TEST(Then, WhatRunsGoesOnAndItsResultIsDropped) {
  cm::thread_pool pool(1);
  std::latch begun(1), go(1);
  std::atomic<int> ran{0};
  auto next = pool.submit([&] {
                    begun.count_down();
                    go.wait();
                    return ++ran;
                  })
                  .then(pool, [&ran](int) { ran += 10; });
  begun.wait();
  EXPECT_TRUE(next.cancel());
  EXPECT_THROW(next.get(), cm::cancelled);
  go.count_down();
  pool.submit([] {}).get();
  EXPECT_EQ(ran.load(), 1);
}

TEST(Then, CancellingReachesAFutureThatWasGiven) {
  cm::thread_pool pool(1);
  promise<int> inner;
  std::latch given(1);
  auto outer = pool.submit([] {}).then(pool, [&] {
    auto f = inner.future();
    given.count_down();
    return f;
  });
  given.wait();
  pool.submit([] {}).get();  // the worker has gone on: it waits inside now
  EXPECT_TRUE(outer.cancel());
  EXPECT_THROW(outer.get(), cm::cancelled);
}

TEST(Then, AStopRequestCancels) {
  cm::thread_pool pool(1);
  std::stop_source stop;
  promise<int> one, two;
  auto before = one.future().then(
      pool, [](int n) { return n; }, stop.get_token());
  auto dropped = two.future().then(
      pool, [](int n) { return n; }, stop.get_token());
  dropped = {};
  stop.request_stop();
  EXPECT_TRUE(before.ready());
  EXPECT_THROW(before.get(), cm::cancelled);
  promise<int> three;
  auto after = three.future().then(
      pool, [](int n) { return n; }, stop.get_token());
  EXPECT_THROW(after.get(), cm::cancelled);
  std::stop_source other;
  EXPECT_EQ(pool.submit([] { return 8; }).then([](int n) { return n; }, other.get_token()).get(), 8);
  other.request_stop();  // nobody is there any more
}

TEST(Then, AStopBesideAResultEndsItOnce) {
  cm::thread_pool pool(2);
  for (int i = 0; i < 500; ++i) {
    std::stop_source stop;
    auto racing = pool.submit([i] { return i; })
                      .then(
                          pool, [](int n) { return n; }, stop.get_token())
                      .then(
                          pool, [&pool](int n) { return pool.submit([n] { return n; }); }, stop.get_token());
    stop.request_stop();
    try {
      EXPECT_EQ(racing.get(), i);
    } catch (const cm::cancelled&) {
    }
  }
}

TEST(Then, APoolThatIsGoneCancelsAndLetsErrorsPass) {
  promise<int> given, broken;
  cm::future<int> one, two;
  std::atomic<int> alive{0};
  {
    cm::thread_pool pool(1);
    one = given.future().then(pool, [c = counted(alive)](int n) { return n; });
    two = broken.future().then(pool, [](int n) { return n; });
  }
  EXPECT_FALSE(one.ready());
  given.give(1);
  broken.give_up();
  EXPECT_EQ(alive.load(), 0);
  EXPECT_THROW(one.get(), cm::cancelled);
  EXPECT_THROW(two.get(), std::runtime_error);
}

TEST(Then, IsHandedOverToWhomIsNamed) {
  std::vector<cm::continuation> loop;
  const auto post = [&loop](cm::continuation next) { loop.push_back(std::move(next)); };
  promise<int> given, dropped, broken;
  auto one = given.future().then(post, [](int n) { return n + 1; });
  auto two = dropped.future().then(post, [](int n) { return n; });
  auto three = broken.future().then(post, [](int n) { return n; });
  given.give(1);
  ASSERT_EQ(loop.size(), 1U);
  EXPECT_FALSE(one.ready());
  loop[0]();
  EXPECT_EQ(one.get(), 2);
  loop.clear();
  dropped.give(1);
  broken.give_up();
  loop.clear();
  EXPECT_THROW(two.get(), cm::cancelled);
  EXPECT_THROW(three.get(), std::runtime_error);
  promise<int> refused;
  auto four = refused.future().then([](cm::continuation) { throw std::domain_error("full"); }, [](int n) { return n; });
  refused.give(1);
  EXPECT_THROW(four.get(), std::domain_error);
}

TEST(Then, MayEvenBeCalledByWhomeverMadeItReady) {
  // It is not asked for, but does no harm: what such a function waits for is not held up by it.
  const auto at_once = [](cm::continuation next) { next(); };
  promise<int> given;
  promise<int> other;
  auto waits = other.future().then(at_once, [](int n) { return n; });
  auto first = given.future().then(at_once, [&](int n) {
    other.give(n);
    return waits.get() + 1;
  });
  given.give(1);
  EXPECT_EQ(first.get(), 2);
}

TEST(Then, ChainsOfAnyLengthNeedNoStack) {
  constexpr int length = 20'000;
  const auto chain = [](cm::future<int> first, cm::thread_pool& pool) {
    for (int i = 0; i < length; ++i) first = first.then(pool, [](int n) { return n + 1; });
    return first;
  };
  cm::thread_pool pool(1);
  promise<int> given, broken, taken_back, left;
  auto one = chain(given.future(), pool);
  given.give(0);
  EXPECT_EQ(one.get(), length);
  auto two = chain(broken.future(), pool);
  broken.give_up();
  EXPECT_THROW(two.get(), std::runtime_error);
  auto three = chain(taken_back.future(), pool);
  EXPECT_TRUE(three.cancel());
  cm::future<int> four;
  {
    cm::thread_pool gone(1);
    four = chain(left.future(), gone);
  }
  left.give(0);
  EXPECT_THROW(four.get(), cm::cancelled);
}

struct loop {
  cm::thread_pool& pool;
  cm::future<int> operator()(int n) {
    if (n == 0) return pool.submit([] { return 0; });
    return pool.submit([n] { return n - 1; }).then(pool, [again = *this](int m) mutable { return again(m); });
  }
};

TEST(Then, LoopsOfFuturesNeedNoStack) {
  cm::thread_pool pool(2);
  EXPECT_EQ(loop{pool}(5'000).get(), 0);
}

/// More tasks wait than a worker helps with: what they wait for comes into the queue when no worker takes anything
/// out of it any more.
template <class Wait>
void wait_in_many_tasks(const Wait& wait) {
  constexpr int n = 300, deepest = 64;
  cm::thread_pool pool(1), other(1);
  std::atomic<int> begun{0};
  std::latch go(1);
  std::vector<cm::future<int>> all;
  for (int i = 0; i < n; ++i) {
    all.push_back(pool.submit([&, i] {
      ++begun;
      return wait(pool, other.submit([&go, i] { return go.wait(), i; }));
    }));
  }
  while (begun.load() < deepest) std::this_thread::yield();
  go.count_down();
  for (int i = 0; i < n; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(Then, TasksMayWaitForContinuationsOfTheirPoolHoweverDeep) {
  wait_in_many_tasks([](cm::thread_pool& pool, cm::future<int> f) {
    return f.then(pool, [](int n) { return n; }).then(pool, [](int n) { return n; }).get();
  });
}

TEST(Then, TasksMayWaitDeepForFuturesThatAreGivenThere) {
  wait_in_many_tasks([](cm::thread_pool& pool, cm::future<int> f) {
    return f.then(pool, [&](int n) { return pool.submit([n] { return n; }); }).get();
  });
}

TEST(Then, TasksMayWaitDeepForSeveral) {
  wait_in_many_tasks([](cm::thread_pool& pool, cm::future<int> f) {
    std::vector<cm::future<int>> both;
    both.push_back(f.then(pool, [](int n) { return n; }));
    both.push_back(pool.submit([] { return 0; }).then(pool, [](int n) { return n; }));
    int sum = 0;
    for (auto& done : cm::as_completed(both)) sum += done.get();
    return sum;
  });
  wait_in_many_tasks([](cm::thread_pool& pool, cm::future<int> f) {
    auto both = cm::when_all(f.then(pool, [](int n) { return n; }), pool.submit([] { return 0; })).get();
    return std::get<0>(both).get() + std::get<1>(both).get();
  });
}

TEST(Then, ManyThreadsMakeFuturesReady) {
  cm::thread_pool one(3), two(3);
  std::atomic<long> sum{0};
  std::vector<cm::future<void>> all;
  for (int i = 0; i < 5'000; ++i) {
    all.push_back(
        one.submit([i] { return i; }).then(two, [](int n) { return n + 1; }).then(one, [&sum](int n) { sum += n; }));
    if (i % 7 == 0) all.back() = {};
  }
  for (auto& f : all) {
    if (f.valid()) f.get();
  }
  one.submit([] {}).get();
  // Those that were left behind have run as well, once nobody works any more.
  while (sum.load() != 12'502'500L) std::this_thread::yield();
}

}  // namespace
