// thread_pool: every task ends in exactly one way, whatever is thrown, cancelled, nested or closed.
#include "centimane/thread_pool.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "centimane/errors.hpp"
#include "centimane/wait.hpp"

namespace cm = centimane;

namespace {

/// Keeps the one worker of a pool busy until released.
struct plug {
  explicit plug(cm::thread_pool& pool) {
    pool.detach([this] {
      in.count_down();
      out.wait();
      left.count_down();
    });
    in.wait();
  }
  ~plug() { left.wait(); }
  std::latch in{1}, out{1}, left{1};
};

TEST(ThreadPool, RunsCallablesOfEveryKind) {
  cm::thread_pool pool(2);
  EXPECT_EQ(pool.workers(), 2U);
  struct thing {
    int twice(int n) const { return 2 * n; }
  };
  EXPECT_EQ(pool.submit(&thing::twice, thing{}, 4).get(), 8);
}

TEST(ThreadPool, MoveOnlyCallablesAndLargeOnes) {
  cm::thread_pool pool(1);
  std::latch done(3);
  pool.detach([&done, p = std::make_unique<int>(1)] { done.count_down(*p); });
  std::array<long, 64> large{};
  large.back() = 2;
  pool.detach([&done, large] { done.count_down(large.back()); });
  done.wait();
  auto f = pool.submit([large, p = std::make_unique<int>(3)] { return large.back() + *p; });
  EXPECT_EQ(f.get(), 5);
}

TEST(ThreadPool, ATaskIsDestroyedOnceAndBeforeItsFutureIsReady) {
  cm::thread_pool pool(2);
  for (int i = 0; i < 1000; ++i) {
    auto token = std::make_shared<int>(i);
    auto f = pool.submit([token] { return *token; });
    EXPECT_EQ(f.get(), i);
    EXPECT_EQ(token.use_count(), 1);
  }
}

TEST(ThreadPool, ExceptionsComeBackAsThemselves) {
  cm::thread_pool pool(2);
  auto f = pool.submit([]() -> int { throw std::out_of_range("that far"); });
  EXPECT_THROW(f.get(), std::out_of_range);
  auto g = pool.submit([] { throw 17; });
  try {
    g.get();
    FAIL();
  } catch (int n) {
    EXPECT_EQ(n, 17);
  }
}

TEST(ThreadPool, DetachedExceptionsGoToTheHandler) {
  std::atomic<int> handled{0};
  std::latch done(100);
  cm::thread_pool pool(2, [&](std::exception_ptr e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::runtime_error&) {
      ++handled;
    }
    done.count_down();
  });
  for (int i = 0; i < 100; ++i) pool.detach([] { throw std::runtime_error("x"); });
  done.wait();
  EXPECT_EQ(handled, 100);
}

TEST(ThreadPool, AMillionDetachedTasks) {
  constexpr long n = 1'000'000;
  std::atomic<long> sum{0}, left{n};
  std::latch done(1);
  cm::thread_pool pool(3);
  for (long i = 0; i < n; ++i) {
    pool.detach([&, i] {
      sum.fetch_add(i, std::memory_order_relaxed);
      if (left.fetch_sub(1) == 1) done.count_down();
    });
  }
  done.wait();
  EXPECT_EQ(sum, n * (n - 1) / 2);
}

TEST(ThreadPool, CancelTakesBackWhatHasNotBegun) {
  cm::thread_pool pool(1);
  bool ran = false;
  cm::future<void> f;
  {
    plug busy(pool);
    auto token = std::make_shared<int>(0);
    f = pool.submit([&ran, token] { ran = true; });
    EXPECT_TRUE(f.cancel());
    EXPECT_EQ(token.use_count(), 1) << "a cancelled task lets go of what it holds";
    EXPECT_FALSE(f.cancel());
    EXPECT_TRUE(f.ready());
    busy.out.count_down();
  }
  EXPECT_THROW(f.get(), cm::cancelled);
  auto g = pool.submit([] { return 1; });
  g.wait();
  EXPECT_FALSE(g.cancel());
  EXPECT_EQ(g.get(), 1);
  EXPECT_FALSE(ran);
}

TEST(ThreadPool, DestructorWaitsForWhatRunsAndCancelsTheRest) {
  std::atomic<int> finished{0}, ran{0};
  std::vector<cm::future<void>> pending;
  cm::future<int> running;
  auto token = std::make_shared<int>(0);
  {
    std::latch in(1);
    cm::thread_pool pool(1);
    running = pool.submit([&] {
      in.count_down();
      // The second submission is refused once the pool closes: that ends this task, and with it the wait.
      for (;;) {
        auto probe = pool.submit([] { return 0; });
        if (probe.cancel()) continue;  // not begun, and the pool is open or closing
        try {
          probe.get();
        } catch (const cm::cancelled&) {
          break;
        }
      }
      ++finished;
      return 42;
    });
    in.wait();
    for (int i = 0; i < 3000; ++i) pending.push_back(pool.submit([&ran, token] { ++ran; }));
    for (int i = 0; i < 3000; ++i) pool.detach([&ran, token] { ++ran; });
  }
  EXPECT_EQ(finished, 1);
  EXPECT_EQ(running.get(), 42);
  EXPECT_EQ(token.use_count(), 1);
  int cancelled = 0;
  for (auto& f : pending) {
    ASSERT_TRUE(f.ready());
    try {
      f.get();
    } catch (const cm::cancelled&) {
      ++cancelled;
    }
  }
  EXPECT_EQ(cancelled, 3000);
  EXPECT_EQ(ran, 0);
}

TEST(ThreadPool, NestedSubmitAndGetOnOneWorker) {
  cm::thread_pool pool(1);
  std::function<long(int)> fibonacci = [&](int n) -> long {
    if (n < 2) return n;
    auto a = pool.submit(fibonacci, n - 1);
    auto b = pool.submit(fibonacci, n - 2);
    return a.get() + b.get();
  };
  EXPECT_EQ(pool.submit(fibonacci, 16).get(), 987);
}

TEST(ThreadPool, NestedSubmitAndGetOnSeveralWorkers) {
  cm::thread_pool pool(3);
  std::function<long(int)> fibonacci = [&](int n) -> long {
    if (n < 2) return n;
    auto a = pool.submit(fibonacci, n - 1);
    auto b = pool.submit(fibonacci, n - 2);
    return a.get() + b.get();
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pool.submit(fibonacci, 14).get(), 377);
}

TEST(ThreadPool, AChainOfWaitsDoesNotGrowTheStackOfItsWaiters) {
  // Each task submits the next and waits for it, while many others are queued that a waiter could pick up.
  cm::thread_pool pool(2);
  std::vector<cm::future<int>> f;
  for (int i = 0; i < 20'000; ++i) {
    f.push_back(pool.submit([&pool] { return pool.submit([] { return 1; }).get(); }));
  }
  int sum = 0;
  for (auto& one : f) sum += one.get();
  EXPECT_EQ(sum, 20'000);
}

TEST(ThreadPool, PoolsThatWaitForEachOther) {
  cm::thread_pool a(1), b(1);
  auto f = a.submit([&] { return b.submit([&] { return a.submit([] { return 5; }).get(); }).get(); });
  EXPECT_EQ(f.get(), 5);
}

TEST(ThreadPool, AWaitingWorkerRunsWhatIsQueuedLater) {
  // The only worker waits for a state that another thread finishes after it has got a task through the same pool.
  cm::thread_pool pool(1);
  std::latch in(1);
  std::atomic<bool> through{false};
  auto outer = pool.submit([&] {
    cm::detail::sleeper me;
    in.count_down();
    // `through` is set by a task of this pool, which wakes nobody but by being queued.
    return cm::detail::wait_until(
        me, [&] { return through.load(); }, INT64_MAX);
  });
  in.wait();
  pool.submit([&] { through = true; }).get();
  EXPECT_TRUE(outer.get());
}

TEST(ThreadPool, SharedPoolWorks) {
  EXPECT_EQ(cm::thread_pool::shared().submit([] { return 1; }).get(), 1);
  EXPECT_EQ(&cm::thread_pool::shared(), &cm::thread_pool::shared());
  EXPECT_GE(cm::thread_pool::shared().workers(), 1U);
}

TEST(ThreadPool, AChildOfAForkIsToldAndHasItsOwnSharedPool) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "no threads in a forked child under this sanitizer";
#endif
  cm::thread_pool::shared();
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    {
      cm::thread_pool pool(1);
      code = cm::thread_pool::shared().submit([] { return 0; }).get();
    }
    _exit(code);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);

  auto pool = std::make_unique<cm::thread_pool>(1);
  pool->submit([] {}).get();
  const pid_t other = fork();
  if (other == 0) {
    int code = 1;
    try {
      static_cast<void>(pool->submit([] {}));
    } catch (const cm::pool_forked&) {
      code = 0;
    }
    pool.reset();
    _exit(code);
  }
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(ThreadPool, NegativeWorkersAreRefused) { EXPECT_THROW(cm::thread_pool(-1), std::invalid_argument); }

}  // namespace
