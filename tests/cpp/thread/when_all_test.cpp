// when_all, when_any, and waiting for futures of different types.
#include "centimane/when_all.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <list>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "centimane/as_completed.hpp"
#include "centimane/errors.hpp"
#include "centimane/then.hpp"
#include "centimane/thread_pool.hpp"
#include "centimane/wait.hpp"
#include "promise.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;
using centimane::test::promise;

namespace {

TEST(WhenAll, GivesTheFuturesEachWithItsOwn) {
  cm::thread_pool pool(2);
  promise<std::string> text;
  auto all =
      cm::when_all(text.future(), pool.submit([]() -> int { throw std::out_of_range("there"); }), pool.submit([] {}));
  static_assert(std::is_same_v<decltype(all),
                               cm::future<std::tuple<cm::future<std::string>, cm::future<int>, cm::future<void>>>>);
  EXPECT_FALSE(all.wait_for(0ns));
  text.give("x");
  auto [a, b, c] = all.get();
  EXPECT_TRUE(a.ready() && b.ready() && c.ready());
  EXPECT_EQ(a.get(), "x");
  EXPECT_THROW(b.get(), std::out_of_range);
  c.get();
}

TEST(WhenAll, OfARangeKeepsItsOrder) {
  cm::thread_pool pool(3);
  std::vector<cm::future<int>> vector;
  std::list<cm::future<int>> list;
  for (int i = 0; i < 1000; ++i) {
    vector.push_back(pool.submit([i] { return i; }));
    list.push_back(pool.submit([i] { return -i; }));
  }
  auto sum = cm::when_all(cm::when_all(std::move(vector)), cm::when_all(std::move(list))).then(pool, [](auto both) {
    auto [up, down] = std::move(both);
    auto some = up.get(), others = down.get();
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) {
      wrong += some[static_cast<std::size_t>(i)].get() != i || others[static_cast<std::size_t>(i)].get() != -i;
    }
    return wrong;
  });
  EXPECT_EQ(sum.get(), 0);
  EXPECT_TRUE(cm::when_all(std::vector<cm::future<int>>()).get().empty());
}

TEST(WhenAll, RefusesFuturesWithoutAResult) {
  promise<int> given;
  EXPECT_THROW((void)cm::when_all(given.future(), cm::future<int>()), std::logic_error);
  EXPECT_THROW((void)cm::when_any(std::vector<cm::future<int>>(2)), std::logic_error);
  EXPECT_THROW((void)cm::when_any(std::vector<cm::future<int>>()), std::invalid_argument);
}

TEST(WhenAll, CancellingTakesBackWhatHasNotBegun) {
  cm::thread_pool pool(1);
  std::latch begun(1), go(1);
  std::atomic<int> ran{0};
  auto running = pool.submit([&] { begun.count_down(), go.wait(), ++ran; });
  begun.wait();
  auto all = cm::when_all(std::move(running), pool.submit([&] { ++ran; }).then(pool, [&] { ++ran; }), pool.submit([&] {
               ++ran;
             })).then(pool, [&](auto) { ++ran; });
  EXPECT_TRUE(all.cancel());
  EXPECT_THROW(all.get(), cm::cancelled);
  go.count_down();
  pool.submit([] {}).get();
  EXPECT_EQ(ran.load(), 1);
}

TEST(WhenAny, GivesTheFirstAndKeepsTheOthers) {
  promise<int> a, b, c;
  std::vector<cm::future<int>> futures;
  for (auto* p : {&a, &b, &c}) futures.push_back(p->future());
  auto any = cm::when_any(std::move(futures));
  EXPECT_FALSE(any.wait_for(0ns));
  b.give(2);
  auto [index, all] = any.get();
  EXPECT_EQ(index, 1U);
  EXPECT_EQ(all[1].get(), 2);
  EXPECT_FALSE(all[0].ready());
  c.give(3);
  EXPECT_EQ(all[2].get(), 3);
  all.clear();
  promise<std::string> text;
  promise<int> number;
  auto either = cm::when_any(text.future(), number.future());
  text.give_up();
  auto first = either.get();
  EXPECT_EQ(first.index, 0U);
  EXPECT_THROW(std::get<0>(first.futures).get(), std::runtime_error);
  EXPECT_TRUE(std::get<1>(first.futures).cancel());
}

TEST(WhenAny, RacesEndOnce) {
  cm::thread_pool pool(3);
  for (int i = 0; i < 500; ++i) {
    std::vector<cm::future<int>> futures;
    for (int k = 0; k < 3; ++k) futures.push_back(pool.submit([k] { return k; }));
    auto any = cm::when_any(std::move(futures));
    if (i % 3 == 0) {
      any.cancel();
    } else {
      auto first = any.get();
      EXPECT_EQ(first.futures[first.index].get(), static_cast<int>(first.index));
    }
  }
}

TEST(AsCompleted, VisitsFuturesOfDifferentTypes) {
  promise<int> number;
  promise<std::string> text;
  promise<int> broken;
  auto a = number.future();
  auto b = text.future();
  auto c = broken.future();
  EXPECT_EQ(cm::wait(std::tie(a, b), cm::when::all, 1us), 0U);
  text.give("x");
  std::vector<std::size_t> order;
  for (auto done : cm::as_completed(std::tie(a, b, c))) {
    order.push_back(done.index());
    EXPECT_TRUE(std::visit([](auto* f) { return f->ready(); }, done));
    if (done.index() == 1) {
      EXPECT_EQ(std::get<1>(done), &b);
      broken.give_up();
    } else if (done.index() == 2) {
      EXPECT_THROW(c.get(), std::runtime_error);
      number.give(1);
    }
  }
  EXPECT_EQ(order, (std::vector<std::size_t>{1, 2, 0}));
  EXPECT_EQ(cm::wait(std::tie(a, b)), 2U);
  EXPECT_EQ(cm::wait(std::tie(a, b), cm::when::first), 2U);
  EXPECT_EQ(a.get(), 1);
  EXPECT_THROW((void)cm::wait(std::tie(a, b)), std::logic_error);
  EXPECT_THROW((void)cm::as_completed(std::tie(a, b)), std::logic_error);
}

}  // namespace
