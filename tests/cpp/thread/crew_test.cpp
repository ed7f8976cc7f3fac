// crew and solo: every item started is reported once, in batches, from whatever hands there are; nested in a pool,
// closed at any moment.
#include "thread/crew.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "centimane/this_task.hpp"
#include "centimane/thread_pool.hpp"
#include "platform/clock.hpp"

namespace cm = centimane;

namespace centimane::engine {
namespace {

constexpr nanos hour = 3'600'000'000'000;

/// Counts how often each item runs; `act` says how it ends.
class counting : public payload {
 public:
  explicit counting(index n, std::function<bool(index, std::uint32_t, int)> act = {}) : runs(n), act_(std::move(act)) {}
  pulled pull(index) override { return {}; }
  verdict encode(index, writer&) override { return {}; }
  verdict decode(index, bool, reader) override { return {}; }
  verdict invoke(index item, std::uint32_t attempt, int worker) override {
    ++runs[item];
    const bool ok = !act_ || act_(item, attempt, worker);
    return {ok && !past_limit(), false, ok ? 0 : server_wait};
  }
  std::string stack_of(int worker) override {
    looked_at = worker;
    looked_at.notify_all();
    return "worker " + std::to_string(worker);
  }
  std::uint64_t definition(index) const override { return 0; }
  verdict fail(index, std::uint32_t, const trouble&) override { return {}; }
  bool settled(index, bool, std::uint32_t, int) override { return true; }
  bool settled_values(index, index, int) override { return true; }
  bool wants_each() const override { return false; }
  bool idle(void (*sleep)(void*), void* context) override {
    ++idled;
    sleep(context);
    return true;
  }
  std::string describe(index) const override { return {}; }
  std::vector<std::atomic<int>> runs;
  std::atomic<int> looked_at{-1};
  int idled = 0;
  nanos server_wait = 0;  ///< what errors ask for

 private:
  std::function<bool(index, std::uint32_t, int)> act_;
};

/// What a port has told.
class ledger final : public events {
 public:
  explicit ledger(index n) : told(n) {}
  void values(index first, index n, int worker) override {
    for (index i = first; i < first + n; ++i) ++told[i];
    good += n;
    workers.insert(worker);
  }
  void invoked(index item, std::uint32_t attempt, int worker, verdict v) override {
    ++told[item];
    ++(v.ok ? good : bad);
    last_attempt = attempt;
    workers.insert(worker);
  }
  void returned(index, std::uint32_t, int, bool, verdict, reader) override { FAIL(); }
  void lost(index item, std::uint32_t attempt, const trouble& why) override {
    ++told[item];
    if (why.how == centimane::policy::outcome::overtime) {
      ++bad;
      last_attempt = attempt;
      late.push_back(why);
    } else {
      EXPECT_EQ(why.how, centimane::policy::outcome::unsent);
      ++unsent;
    }
  }
  void refused(index, std::uint32_t, verdict) override { FAIL(); }
  index all() const { return good + bad + unsent; }
  std::vector<int> told;
  index good = 0, bad = 0, unsent = 0;
  std::uint32_t last_attempt = 0;
  std::vector<trouble> late;
  std::set<int> workers;
};

void drain(port& p, ledger& l, index n) {
  while (l.all() < n) {
    if (!p.collect(l)) p.wait(centimane::policy::never);
  }
}

void expect_once(const ledger& l, const counting& c) {
  EXPECT_TRUE(std::all_of(l.told.begin(), l.told.end(), [](int n) { return n == 1; }));
  index ran = 0;
  for (const auto& n : c.runs) {
    EXPECT_LE(n, 1);
    ran += static_cast<index>(n);
  }
  EXPECT_EQ(ran, l.good + l.bad);
}

TEST(Crew, RunsARangeOnceAndReportsItOnce) {
  cm::thread_pool pool(3);
  for (const bool each : {false, true}) {
    for (const index n : {1U, 2U, 7U, 1000U, 100'000U}) {
      counting work(n);
      ledger told(n);
      crew c(work, 0, each, pool);
      c.depth(0);
      c.start(0, n, 1);
      drain(c, told, n);
      expect_once(told, work);
      EXPECT_EQ(told.good, n);
      EXPECT_FALSE(c.collect(told));
    }
  }
}

TEST(Crew, ErrorsInTheMiddleOfChunks) {
  constexpr index n = 50'000;
  cm::thread_pool pool(2);
  counting work(n, [](index i, std::uint32_t, int) { return i % 7 != 3; });
  ledger told(n);
  crew c(work, 2, false, pool);
  for (index at = 0; at < n; at += 5000) c.start(at, 5000, 1);
  drain(c, told, n);
  expect_once(told, work);
  EXPECT_EQ(told.bad, (n + 3) / 7);
}

TEST(Crew, LaterAttemptsGoAloneAndAreTold) {
  cm::thread_pool pool(2);
  counting work(10);
  ledger told(10);
  crew c(work, 2, false, pool);
  c.start(4, 1, 3);
  drain(c, told, 1);
  EXPECT_EQ(told.last_attempt, 3U);
  EXPECT_EQ(told.told[4], 1);
}

TEST(Crew, NeverMoreHandsThanWorkersNorThanItems) {
  std::atomic<int> inside{0}, most{0};
  counting work(400, [&](index, std::uint32_t, int worker) {
    EXPECT_GE(worker, 0);
    EXPECT_LT(worker, 3);
    const int now = ++inside;
    int seen = most.load();
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::yield();
    --inside;
    return true;
  });
  ledger told(400);
  cm::thread_pool pool(6);
  std::uint32_t hired = 0;
  {
    std::optional<hand> pass;
    crew c(work, 3, true, [&](std::uint32_t n) {
      hired += n;
      for (std::uint32_t i = 0; i < n; ++i) pool.detach([mine = *pass] { mine.work(); });
    });
    pass.emplace(c.pass());
    EXPECT_EQ(c.room(), 3U);
    c.start(0, 1, 1);
    EXPECT_EQ(hired, 1U);
    drain(c, told, 1);
    c.depth(0);
    c.start(1, 399, 1);
    drain(c, told, 400);
    EXPECT_EQ(c.room(), centimane::policy::index{1} << 40);
  }
  EXPECT_LE(most, 3);
  expect_once(told, work);
}

TEST(Crew, RecallTakesBackExactlyWhatHasNotBegun) {
  constexpr index n = 10'000;
  cm::thread_pool pool(2);
  std::latch begun(1), seen(1);
  counting work(n, [&](index i, std::uint32_t, int) {
    if (i != 0) return true;
    begun.count_down();
    EXPECT_FALSE(cm::this_task::stop_requested());
    seen.wait();
    EXPECT_TRUE(cm::this_task::stop_requested());
    return true;
  });
  ledger told(n);
  crew c(work, 1, true, pool);
  c.depth(0);
  c.start(0, n, 1);
  begun.wait();
  c.recall(false);
  EXPECT_TRUE(c.collect(told));
  EXPECT_EQ(told.unsent, n - 1);
  c.recall(true);
  EXPECT_FALSE(c.collect(told));
  seen.count_down();
  drain(c, told, n);
  expect_once(told, work);
  EXPECT_EQ(told.good, 1U);
  EXPECT_FALSE(cm::this_task::stop_requested());
}

TEST(Crew, WhereEachIsAloneNoneWaitsBehindAnotherNorDoesItsOutcome) {
  constexpr index n = 500;
  cm::thread_pool pool(2);
  std::latch others(n - 2), told_of(1);
  counting work(n, [&](index i, std::uint32_t, int) {
    if (i == 0) {
      others.wait();
    } else if (i == n - 1) {
      told_of.wait();
    } else {
      others.count_down();
    }
    return true;
  });
  ledger told(n);
  crew c(work, 2, true, pool);
  c.depth(0);
  c.start(0, n, 1);
  drain(c, told, n - 1);
  told_of.count_down();
  drain(c, told, n);
  expect_once(told, work);
}

TEST(Crew, WhatWaitsDrawsItsTokenOrComesBack) {
  policy::limiter limit(1, hour, 7);
  cm::thread_pool pool(3);
  counting work(1000);
  ledger told(1000);
  crew c(work, 3, true, pool);
  c.draw_from(limit, 0);
  EXPECT_EQ(c.room(), 3U);
  EXPECT_EQ(c.further().room, 0U) << "nothing is known to be quick";
  ASSERT_EQ(limit.take_up_to(platform::now(), 2), 2U);
  c.start(0, 2, 1);
  c.start_drawing(2, 998, 1);
  drain(c, told, 1000);
  expect_once(told, work);
  EXPECT_EQ(told.good, 7U);
  EXPECT_EQ(work.runs[6] + work.runs[7], 1) << "in order";
  EXPECT_EQ(c.further().waiting, 0U);
  c.start_drawing(7, 1, 1);
  while (told.all() < 1001) {
    if (!c.collect(told)) c.wait(policy::never);
  }
  EXPECT_EQ(told.good, 7U);
}

TEST(Crew, WhatHasItsTokenBeginsThoughTheRestComesBack) {
  policy::limiter limit(1, hour, 2);
  cm::thread_pool pool(1);
  std::latch go(1);
  counting work(10, [&](index, std::uint32_t, int) {
    go.wait();
    return true;
  });
  ledger told(10);
  crew c(work, 1, true, pool);
  c.draw_from(limit, 0);
  ASSERT_EQ(limit.take_up_to(platform::now(), 2), 2U);
  c.start(0, 1, 1);
  c.start_drawing(2, 8, 1);
  c.start(1, 1, 1);
  go.count_down();
  drain(c, told, 10);
  EXPECT_EQ(told.good, 2U);
  EXPECT_EQ(work.runs[0] + work.runs[1], 2);
}

TEST(Crew, AnErrorThatAsksForAPauseHoldsBackWhatDraws) {
  policy::limiter limit(1000, 1, 1000);
  cm::thread_pool pool(1);
  counting work(20, [](index i, std::uint32_t, int) { return i != 2; });
  work.server_wait = 1;
  ledger told(20);
  crew c(work, 1, true, pool);
  c.draw_from(limit, 0);
  c.start_drawing(0, 10, 1);
  while (work.runs[2] == 0 || c.further().waiting > 0) std::this_thread::yield();
  c.start_drawing(10, 10, 1);  // the driver has not heard of it
  drain(c, told, 20);
  EXPECT_EQ(told.good, 2U);
  EXPECT_EQ(told.bad, 1U);
  EXPECT_EQ(work.runs[3] + work.runs[10], 0);
  c.start_drawing(3, 1, 1);
  while (told.good < 3) {
    if (!c.collect(told)) c.wait(policy::never);
  }
}

constexpr nanos no_time = 1'000'000, much_time = 3'600'000'000'000;

TEST(Crew, ALimitIsAQuestionAndThenAnOutcome) {
  cm::thread_pool pool(2);
  counting work(3, [](index i, std::uint32_t, int) {
    EXPECT_FALSE(i == 1 && cm::this_task::stop_requested());
    while (i != 1 && !cm::this_task::stop_requested()) std::this_thread::yield();
    return i != 2;
  });
  for (const bool watched : {false, true}) {
    ledger told(3);
    crew c(work, 2, true, pool);
    c.limit(no_time);
    if (watched) c.watch();
    c.depth(0);
    c.start(0, 1, 1);
    c.start(2, 1, 3);  // whatever it brings
    drain(c, told, 2);
    ASSERT_EQ(told.late.size(), 2U);
    for (const trouble& why : told.late) {
      EXPECT_EQ(why.limit, no_time);
      EXPECT_GE(why.worker, 0);
      EXPECT_TRUE(why.text.starts_with("it came back after ")) << why.text;
    }
    EXPECT_FALSE(c.collect(told));
    EXPECT_EQ(c.due(), centimane::policy::never);
  }
  ledger told(3);
  crew c(work, 2, true, pool);
  c.limit(much_time);
  c.start(1, 1, 1);
  drain(c, told, 1);
  EXPECT_EQ(told.good, 1U);
}

TEST(Crew, TheDriverAsksWhereALateOneIsAndNoHandTakesItsPlace) {
  cm::thread_pool pool(4);
  counting* asked = nullptr;
  std::atomic<int> inside{0}, most{0};
  counting work(20, [&](index, std::uint32_t, int) {
    most = std::max(most.load(), ++inside);
    asked->looked_at.wait(-1);
    --inside;
    return true;
  });
  asked = &work;
  ledger told(20);
  crew c(work, 1, true, pool);
  c.limit(no_time);
  c.depth(0);
  c.start(0, 20, 1);
  while (told.all() < 20) {
    if (!c.collect(told)) c.wait(c.due());
  }
  expect_once(told, work);
  EXPECT_EQ(most, 1);
  ASSERT_FALSE(told.late.empty());
  EXPECT_EQ(told.late[0].stack, "worker 0");
}

TEST(Crew, HandsThatComeLateFindAClosedCrew) {
  counting work(1);
  std::optional<hand> late;
  std::uint32_t hired = 0;
  {
    crew c(work, 2, false, [&](std::uint32_t n) { hired += n; });
    late.emplace(c.pass());
    c.start(0, 1, 1);
  }
  EXPECT_EQ(hired, 1U);
  late->work();
  EXPECT_EQ(work.runs[0], 0);
}

TEST(Crew, DestructorWaitsForHandsInside) {
  std::latch in(1);
  std::atomic<bool> out{false};
  cm::thread_pool pool(1);
  counting work(100, [&](index i, std::uint32_t, int) {
    if (i == 0) {
      in.count_down();
      while (!cm::this_task::stop_requested()) std::this_thread::yield();
      out = true;
    }
    return true;
  });
  {
    crew c(work, 1, true, pool);
    c.depth(0);
    c.start(0, 100, 1);
    in.wait();
  }
  EXPECT_TRUE(out);
  EXPECT_EQ(work.runs[1], 0);
  EXPECT_LE(work.idled, 1);
}

TEST(Crew, ThrowsOnlyIfNoHandCanBeHad) {
  counting work(2);
  ledger told(2);
  std::thread one;
  std::optional<hand> pass;
  bool refuse = true;
  crew c(work, 2, true, [&](std::uint32_t) {
    if (refuse) throw std::runtime_error("no threads");
    one = std::thread([&] { pass->work(); });
    refuse = true;
  });
  pass.emplace(c.pass());
  EXPECT_THROW(c.start(0, 1, 1), std::runtime_error);
  refuse = false;
  c.start(1, 1, 1);
  drain(c, told, 2);
  expect_once(told, work);
  one.join();
}

TEST(Crew, WaitEndsAtItsDeadlineAndAtTheEndOfWork) {
  counting work(1);
  ledger told(1);
  cm::thread_pool pool(1);
  crew c(work, 1, false, pool);
  const auto soon = centimane::platform::now() + 1'000'000;
  while (centimane::platform::now() < soon) c.wait(soon);
  EXPECT_FALSE(c.collect(told));
  c.start(0, 1, 1);
  drain(c, told, 1);
}

TEST(Crew, NestedRunsOnAPoolOfOneWorker) {
  cm::thread_pool pool(1);
  std::function<long(int)> run = [&](int depth) -> long {
    if (depth == 0) return 1;
    std::atomic<long> sum{0};
    counting work(5, [&](index, std::uint32_t, int) {
      sum += run(depth - 1);
      return true;
    });
    ledger told(5);
    crew c(work, 0, false, pool);
    c.start(0, 5, 1);
    drain(c, told, 5);
    expect_once(told, work);
    return sum;
  };
  EXPECT_EQ(run(4), 625);
}

TEST(Crew, NestedRunsOnSeveralWorkers) {
  cm::thread_pool pool(3);
  counting outer(60, [&](index, std::uint32_t, int) {
    counting work(300);
    ledger told(300);
    crew c(work, 0, true, pool);
    c.depth(0);
    c.start(0, 300, 1);
    drain(c, told, 300);
    expect_once(told, work);
    return true;
  });
  ledger told(60);
  crew c(outer, 0, true, pool);
  c.depth(0);
  c.start(0, 60, 1);
  drain(c, told, 60);
  expect_once(told, outer);
}

TEST(Crew, ManyShortRunsClosedAtAnyMoment) {
  cm::thread_pool pool(3);
  for (int round = 0; round < 2000; ++round) {
    const index n = static_cast<index>(1 + round % 40);
    counting work(n);
    ledger told(n);
    crew c(work, 0, round % 3 == 0, pool);
    c.depth(0);
    c.start(0, n, 1);
    if (round % 2 == 0) c.recall(true);
    if (round % 5 != 0) {
      drain(c, told, n);
      expect_once(told, work);
    }
  }
}

TEST(Solo, RunsInOrderOneByOne) {
  std::vector<index> order;
  counting work(5, [&](index i, std::uint32_t, int worker) {
    EXPECT_EQ(worker, 0);
    order.push_back(i);
    return i != 2;
  });
  ledger told(5);
  solo s(work);
  for (index i = 0; i < 5; ++i) {
    ASSERT_EQ(s.room(), 1U);
    s.start(i, 1, i == 4 ? 2 : 1);
    EXPECT_EQ(s.room(), 0U);
    s.wait(centimane::policy::never);  // has something to collect
    EXPECT_TRUE(s.collect(told));
  }
  EXPECT_FALSE(s.collect(told));
  EXPECT_EQ(order, (std::vector<index>{0, 1, 2, 3, 4}));
  EXPECT_EQ(told.bad, 1U);
  EXPECT_EQ(told.last_attempt, 2U);
  s.wait(centimane::platform::now() + 1000);
}

TEST(Solo, ALimitIsAQuestionAndThenAnOutcome) {
  counting work(2, [](index i, std::uint32_t, int) {
    while (i == 0 && !cm::this_task::stop_requested()) std::this_thread::yield();
    return true;
  });
  ledger told(2);
  solo s(work, false);
  s.limit(no_time);
  s.start(0, 1, 2);
  EXPECT_TRUE(s.collect(told));
  ASSERT_EQ(told.late.size(), 1U);
  EXPECT_EQ(told.late[0].limit, no_time);
  EXPECT_EQ(told.last_attempt, 2U);
  s.limit(much_time);
  s.start(1, 1, 1);
  EXPECT_TRUE(s.collect(told));
  EXPECT_EQ(told.good, 1U);
}

TEST(Solo, RecallTakesBackWhatWaits) {
  counting work(1);
  ledger told(1);
  solo s(work);
  s.start(0, 1, 1);
  s.recall(false);
  EXPECT_TRUE(s.collect(told));
  EXPECT_EQ(told.unsent, 1U);
  EXPECT_EQ(work.runs[0], 0);
  EXPECT_EQ(s.room(), 1U);
}

TEST(Solo, RunsManyInARowButNotPastAFailure) {
  constexpr index n = 1000, broken = 500;
  index ran = 0;
  counting work(n, [&](index i, std::uint32_t, int) {
    EXPECT_EQ(i, ran);
    ++ran;
    return i != broken;
  });
  ledger told(n);
  solo s(work, false);
  ASSERT_GE(s.room(), n);
  s.start(0, n, 1);
  EXPECT_EQ(s.room(), 0U);
  while (told.bad == 0) ASSERT_TRUE(s.collect(told));
  EXPECT_EQ(ran, broken + 1) << "the policy has its say after a failure";
  EXPECT_EQ(told.good, broken);
  drain(s, told, n);
  expect_once(told, work);
  EXPECT_FALSE(s.collect(told));
  EXPECT_GE(s.room(), n);
}

TEST(Solo, RecallTakesBackTheRestOfARow) {
  constexpr index n = 1000, broken = 500;
  counting work(n, [&](index i, std::uint32_t, int) { return i != broken; });
  ledger told(n);
  solo s(work, false);
  s.start(0, n, 1);
  while (told.bad == 0) ASSERT_TRUE(s.collect(told));
  s.recall(false);
  EXPECT_TRUE(s.collect(told));
  EXPECT_EQ(told.unsent, n - broken - 1);
  EXPECT_EQ(told.all(), n);
  EXPECT_EQ(work.runs[broken + 1], 0);
}

TEST(Solo, LooksAtTheClockWhenItemsBecomeSlow) {
  // The first items are quick; each after them takes longer than a whole row should. At most a look's worth of them
  // are run before the policy is asked again.
  constexpr index n = 10'000, quick = 5000;
  index ran = 0;
  counting work(n, [&](index i, std::uint32_t, int) {
    if (i >= quick) {
      const auto until = centimane::platform::now() + 200'000;
      while (centimane::platform::now() < until) {
      }
    }
    ++ran;
    return true;
  });
  ledger told(n);
  solo s(work, false);
  s.start(0, n, 1);
  while (told.good < quick) ASSERT_TRUE(s.collect(told));
  for (int i = 0; i < 3; ++i) {
    const index before = ran;
    ASSERT_TRUE(s.collect(told));
    EXPECT_LE(ran - before, 1U);
  }
  EXPECT_LE(ran, quick + 64 + 3);
  s.recall(false);
  s.collect(told);
  EXPECT_EQ(told.all(), n);
}

}  // namespace
}  // namespace centimane::engine
