// future, wait and as_completed over the states of a thread pool and over states finished by hand.
#include "centimane/future.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "centimane/as_completed.hpp"
#include "centimane/errors.hpp"
#include "centimane/thread_pool.hpp"
#include "centimane/wait.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

/// A state that the test finishes, attended by nobody or by `by`.
template <class R>
class manual_state final : public cm::detail::state_of<R> {
 public:
  explicit manual_state(cm::detail::attendant* by = nullptr) : cm::detail::state_of<R>(2), by_(by) {}
  cm::detail::attendant* attended_by() noexcept override { return by_; }
  void give(R value) {
    this->set(std::move(value));
    this->finish();
    this->release();
  }

 private:
  cm::detail::attendant* by_;
};

TEST(Future, DefaultConstructedIsInvalidAndSaysSo) {
  cm::future<int> f;
  EXPECT_FALSE(f.valid());
  EXPECT_FALSE(f.ready());
  EXPECT_FALSE(f.cancel());
  EXPECT_THROW(f.get(), std::logic_error);
  EXPECT_THROW(f.wait(), std::logic_error);
  EXPECT_THROW(static_cast<void>(f.wait_for(1ms)), std::logic_error);
}

TEST(Future, GivesItsValueOnce) {
  auto* s = new manual_state<std::string>;
  auto f = cm::detail::future_access::make<std::string>(s);
  EXPECT_TRUE(f.valid());
  EXPECT_FALSE(f.ready());
  EXPECT_FALSE(f.wait_for(0ns));
  s->give("value");
  EXPECT_TRUE(f.ready());
  EXPECT_TRUE(f.wait_for(0ns));
  EXPECT_EQ(f.get(), "value");
  EXPECT_FALSE(f.valid());
  EXPECT_THROW(f.get(), std::logic_error);
}

TEST(Future, ManyThreadsWaitForOneState) {
  for (int round = 0; round < 200; ++round) {
    auto* s = new manual_state<int>;
    auto f = cm::detail::future_access::make<int>(s);
    std::latch ready(5);
    std::vector<std::thread> waiters;
    for (int i = 0; i < 4; ++i) {
      waiters.emplace_back([&] {
        ready.arrive_and_wait();
        f.wait();
        EXPECT_TRUE(f.ready());
      });
    }
    ready.arrive_and_wait();
    s->give(round);
    for (auto& t : waiters) t.join();
    EXPECT_EQ(f.get(), round);
  }
}

TEST(Future, TimedWaitsThatEndLeaveNoTrace) {
  auto* s = new manual_state<int>;
  auto f = cm::detail::future_access::make<int>(s);
  std::atomic<bool> over{false};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      while (!over.load()) static_cast<void>(f.wait_for(std::chrono::microseconds(3)));
    });
  }
  for (int i = 0; i < 300; ++i) static_cast<void>(f.wait_for(std::chrono::microseconds(5)));
  s->give(1);
  f.wait();
  over = true;
  for (auto& t : waiters) t.join();
  EXPECT_EQ(f.get(), 1);
}

TEST(Future, CarriesReferencesVoidAndMoveOnly) {
  cm::thread_pool pool(1);
  int x = 1;
  cm::future<int&> r = pool.submit([&x]() -> int& { return x; });
  EXPECT_EQ(&r.get(), &x);
  cm::future<void> v = pool.submit([&x] { x = 2; });
  v.get();
  EXPECT_EQ(x, 2);
  auto m = pool.submit([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(7));
  EXPECT_EQ(*m.get(), 7);
  auto moved = pool.submit([p = std::make_unique<int>(8)]() mutable { return std::move(p); });
  EXPECT_EQ(*moved.get(), 8);
}

TEST(Future, ResultNeedNoDefaultConstructor) {
  struct strict {
    explicit strict(int n) : value(n) {}
    strict(strict&&) = default;
    int value;
  };
  cm::thread_pool pool(1);
  EXPECT_EQ(pool.submit([] { return strict(5); }).get().value, 5);
}

TEST(Wait, AllFirstAndFirstError) {
  std::vector<manual_state<int>*> s;
  std::vector<cm::future<int>> f;
  for (int i = 0; i < 4; ++i) {
    s.push_back(new manual_state<int>);
    f.push_back(cm::detail::future_access::make<int>(s.back()));
  }
  EXPECT_EQ(cm::wait(f, cm::when::all, cm::time_span(1us)), 0U);
  s[2]->give(2);
  EXPECT_EQ(cm::wait(f, cm::when::first), 1U);
  s[0]->fail(std::make_exception_ptr(std::runtime_error("no")));
  s[0]->finish();
  s[0]->release();
  EXPECT_EQ(cm::wait(f, cm::when::first_error), 2U);
  s[1]->give(1);
  std::thread last([&] { s[3]->give(3); });
  EXPECT_EQ(cm::wait(f), 4U);
  last.join();
  EXPECT_THROW(f[0].get(), std::runtime_error);
}

TEST(Wait, EmptyAndInvalid) {
  std::vector<cm::future<int>> none;
  EXPECT_EQ(cm::wait(none), 0U);
  none.emplace_back();
  EXPECT_THROW(cm::wait(none), std::logic_error);
  EXPECT_THROW(static_cast<void>(cm::as_completed(none)), std::logic_error);
}

TEST(AsCompleted, GivesFuturesInOrderOfCompletion) {
  std::vector<manual_state<int>*> s;
  std::vector<cm::future<int>> f;
  for (int i = 0; i < 5; ++i) {
    s.push_back(new manual_state<int>);
    f.push_back(cm::detail::future_access::make<int>(s.back()));
  }
  const std::vector<int> order{3, 0, 4, 1, 2};
  s[3]->give(3);
  std::vector<int> seen;
  std::size_t next = 1;
  auto done = cm::as_completed(f);
  for (auto it = done.begin(); it != done.end();) {
    EXPECT_EQ(&*it, &f[it.index()]);
    seen.push_back(it->get());
    if (next < order.size()) {
      const auto i = static_cast<std::size_t>(order[next++]);
      s[i]->give(static_cast<int>(i));
    }
    ++it;
  }
  EXPECT_EQ(seen, order);
}

TEST(AsCompleted, EarlyBreakLeavesTheOthersAlone) {
  auto* a = new manual_state<int>;
  auto* b = new manual_state<int>;
  std::vector<cm::future<int>> f;
  f.push_back(cm::detail::future_access::make<int>(a));
  f.push_back(cm::detail::future_access::make<int>(b));
  a->give(1);
  for (auto& done : cm::as_completed(f)) {
    EXPECT_EQ(done.get(), 1);
    break;
  }
  b->give(2);  // its watch is gone
  EXPECT_EQ(f[1].get(), 2);
}

TEST(AsCompleted, HundredThousandFutures) {
  cm::thread_pool pool(4);
  constexpr int n = 100'000;
  std::vector<cm::future<int>> f;
  for (int i = 0; i < n; ++i) f.push_back(pool.submit([i] { return i; }));
  std::vector<char> seen(n, 0);
  long sum = 0;
  for (auto& done : cm::as_completed(f)) {
    const int i = done.get();
    EXPECT_EQ(seen[static_cast<std::size_t>(i)]++, 0);
    sum += i;
  }
  EXPECT_EQ(sum, long{n} * (n - 1) / 2);
}

TEST(AsCompleted, InsideATaskOfTheSamePool) {
  cm::thread_pool pool(1);
  auto sum = pool.submit([&] {
    std::vector<cm::future<int>> f;
    for (int i = 0; i < 1000; ++i) f.push_back(pool.submit([i] { return i; }));
    int total = 0;
    for (auto& done : cm::as_completed(f)) total += done.get();
    return total;
  });
  EXPECT_EQ(sum.get(), 499'500);
}

/// A producer whose results come in only when somebody attends it, as those of a process pool.
class fetched final : public cm::detail::attendant {
 public:
  void attend(cm::detail::sleeper& me, cm::detail::condition done, std::int64_t until) override {
    ++attended;
    if (!waiting.empty()) {
      auto* s = waiting.back();
      waiting.pop_back();
      s->give(static_cast<int>(waiting.size()));
      return;
    }
    const auto ticket = me.announce();
    if (done()) {
      me.awake();
      return;
    }
    me.sleep(ticket, until);
  }
  void go_alone() override {
    ++alone;
    while (!waiting.empty()) {
      auto* s = waiting.back();
      waiting.pop_back();
      s->give(static_cast<int>(waiting.size()));
    }
  }
  std::vector<manual_state<int>*> waiting;
  int attended = 0, alone = 0;
};

TEST(Attendant, IsCalledByWhoWaitsAndMixesWithOtherProducers) {
  fetched one, two;
  std::vector<cm::future<int>> f;
  cm::thread_pool pool(2);
  for (fetched* from : {&one, &two}) {
    for (int i = 0; i < 3; ++i) {
      from->waiting.push_back(new manual_state<int>(from));
      f.push_back(cm::detail::future_access::make<int>(from->waiting.back()));
    }
  }
  for (int i = 0; i < 3; ++i) f.push_back(pool.submit([i] { return i; }));
  int sum = 0, n = 0;
  for (auto& done : cm::as_completed(f)) {
    sum += done.get();
    ++n;
  }
  EXPECT_EQ(n, 9);
  EXPECT_EQ(sum, 9);
  EXPECT_GE(one.attended, 3);
  EXPECT_EQ(one.alone, 0);
  EXPECT_EQ(two.alone, 1);
  EXPECT_EQ(two.attended, 0);
}

}  // namespace
