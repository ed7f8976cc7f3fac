// Coroutines that wait for futures of thread and process pools.
#include "centimane/await.hpp"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "centimane/process_pool.hpp"
#include "centimane/this_task.hpp"

namespace cm = centimane;

namespace {

/// The least coroutine there is: begins at once, tells its end to a promise.
template <class T>
struct eager {
  struct promise_type {
    std::promise<T> told;
    eager get_return_object() { return {told.get_future()}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_value(T value) { told.set_value(std::move(value)); }
    void unhandled_exception() { told.set_exception(std::current_exception()); }
  };
  std::future<T> end;
};

eager<int> add(cm::thread_pool& pool, int a, int b) {
  const int left = co_await cm::resume_on(pool, pool.submit([a] { return a; }));
  const int right = co_await cm::resume_on(pool, pool.submit([b] { return b; }));
  co_return left + right;
}

template <class R>
eager<R> wait_for(cm::thread_pool& pool, cm::future<R> what, std::stop_token stop = {}) {
  co_return co_await cm::resume_on(pool, std::move(what), std::move(stop));
}

TEST(await, gives_what_the_task_gave) {
  cm::thread_pool pool(2);
  EXPECT_EQ(add(pool, 2, 3).end.get(), 5);
  EXPECT_EQ(wait_for(pool, pool.submit([] { return std::string(1000, 'x'); })).end.get(), std::string(1000, 'x'));
}

TEST(await, throws_what_the_task_threw) {
  cm::thread_pool pool(1);
  auto failed = wait_for(pool, pool.submit([]() -> int { throw std::out_of_range("there"); }));
  EXPECT_THROW(failed.end.get(), std::out_of_range);
  EXPECT_THROW((void)cm::resume_on(pool, cm::future<int>()), std::logic_error);
}

TEST(await, goes_on_where_it_was_told) {
  cm::thread_pool work(1), home(1);
  const auto at_home = home.submit([] { return std::this_thread::get_id(); }).get();
  std::latch go(1);
  auto coroutine = [](cm::thread_pool& on, cm::future<int> what) -> eager<std::thread::id> {
    co_await cm::resume_on(on, std::move(what));
    co_return std::this_thread::get_id();
  };
  auto where = coroutine(home, work.submit([&go] { return go.wait(), 1; }));
  go.count_down();
  EXPECT_EQ(where.end.get(), at_home);
}

TEST(await, many_at_once_lose_no_result) {
  cm::thread_pool pool(4);
  std::vector<eager<int>> all;
  for (int i = 0; i < 3000; ++i) all.push_back(add(pool, i, 1));
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].end.get(), i + 1);
}

TEST(await, a_stop_takes_back_what_has_not_begun_and_leaves_what_has) {
  cm::thread_pool busy(1), home(1);
  std::latch begun(1), go(1);
  std::stop_source stop;
  auto running = wait_for(home, busy.submit([&] { return begun.count_down(), go.wait(), 1; }), stop.get_token());
  auto queued = wait_for(home, busy.submit([] { return 2; }), stop.get_token());
  begun.wait();
  stop.request_stop();
  EXPECT_THROW(running.end.get(), cm::cancelled);
  EXPECT_THROW(queued.end.get(), cm::cancelled);
  go.count_down();
  // Stopped before the wait: the same.
  std::latch later(1);
  auto late = wait_for(home, busy.submit([&] { return later.wait(), 3; }), stop.get_token());
  EXPECT_THROW(late.end.get(), cm::cancelled);
  later.count_down();
}

TEST(await, a_stop_beside_a_result_resumes_once) {
  cm::thread_pool pool(2), home(2);
  for (int i = 0; i < 500; ++i) {
    std::stop_source stop;
    auto racing = wait_for(home, pool.submit([i] { return i; }), stop.get_token());
    stop.request_stop();
    try {
      EXPECT_EQ(racing.end.get(), i);
    } catch (const cm::cancelled&) {
    }
  }
}

TEST(await, results_of_processes_come_without_anybody_who_fetches_them) {
  cm::process_pool cpu(2);
  cm::thread_pool home(1);
  std::vector<eager<int>> all;
  for (int i = 0; i < 100; ++i) all.push_back(wait_for(home, cpu.submit([](int n) { return n * n; }, i)));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].end.get(), i * i);
}

}  // namespace
