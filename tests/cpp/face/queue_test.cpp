// queue<T> and joinable_queue<T>: between pools' workers, copies by fork, and threads.
#include "centimane/queue.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "centimane/errors.hpp"
#include "centimane/process_pool.hpp"

namespace {

namespace cm = centimane;
using namespace std::chrono_literals;

int status_of_child(const std::function<bool()>& what) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    bool good = false;
    try {
      good = what();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in the child: %s\n", e.what());
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

TEST(queue, gives_values_back_in_order) {
  cm::queue<std::string> words;
  EXPECT_TRUE(words.empty());
  words.put("one");
  words.put(std::string(300'000, 'x'));
  EXPECT_TRUE(words.try_put("three"));
  EXPECT_TRUE(words.put_for("four", 1s));
  EXPECT_EQ(words.size(), 4U);
  EXPECT_EQ(words.get(), "one");
  EXPECT_EQ(words.get().size(), 300'000U);
  EXPECT_EQ(words.try_get(), "three");
  EXPECT_EQ(words.get_for(1s), "four");
  EXPECT_EQ(words.try_get(), std::nullopt);
  EXPECT_EQ(words.get_for(1ms), std::nullopt);
  EXPECT_FALSE(words.full());
  EXPECT_EQ(words.max_items(), 0U);
}

TEST(queue, is_bounded) {
  cm::queue<int> two({.max_items = 2});
  two.put(1);
  two.put(2);
  EXPECT_TRUE(two.full());
  EXPECT_FALSE(two.try_put(3));
  EXPECT_FALSE(two.put_for(3, 1ms));
  EXPECT_EQ(two.max_items(), 2U);
  cm::queue<std::string> small({.max_bytes = 1000});
  small.put(std::string(5000, 'x'));
  EXPECT_FALSE(small.try_put("y"));
  EXPECT_THROW(cm::queue_options{.max_items = -1}, std::invalid_argument);
  EXPECT_THROW(cm::queue_options{.max_bytes = -1}, std::invalid_argument);
}

TEST(queue, copies_are_the_same_queue) {
  cm::queue<int> a;
  cm::queue<int> b = a;
  b.put(1);
  EXPECT_EQ(a.get(), 1);
}

TEST(queue, closed_gives_what_is_left_and_wakes_who_waits) {
  cm::queue<int> q;
  q.put(1);
  std::thread waiter([q]() mutable {
    EXPECT_EQ(q.get(), 1);
    EXPECT_THROW(static_cast<void>(q.get()), cm::queue_closed);
  });
  while (!q.empty()) std::this_thread::yield();
  q.close();
  waiter.join();
  EXPECT_TRUE(q.closed());
  EXPECT_THROW(q.put(2), cm::queue_closed);
  EXPECT_THROW(static_cast<void>(q.try_get()), cm::queue_closed);
}

int work(cm::queue<std::optional<int>> tasks, cm::queue<int> results) {
  int done = 0;
  while (const std::optional<int> n = tasks.get()) {
    results.put(*n * *n);
    ++done;
  }
  return done;
}

TEST(queue, workers_of_a_pool_draw_tasks_until_the_pill) {
  cm::process_pool pool(2);
  cm::queue<std::optional<int>> tasks;
  cm::queue<int> results;
  auto first = pool.submit(work, tasks, results), second = pool.submit(work, tasks, results);
  for (int n = 0; n < 100; ++n) tasks.put(n);
  tasks.put(std::nullopt);
  tasks.put(std::nullopt);
  EXPECT_EQ(first.get() + second.get(), 100);
  std::vector<int> all;
  while (const auto n = results.try_get()) all.push_back(*n);
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 100U);
  for (int n = 0; n < 100; ++n) EXPECT_EQ(all[static_cast<std::size_t>(n)], n * n);
}

TEST(queue, a_copy_by_fork_has_it) {
  cm::queue<int> q;
  EXPECT_EQ(status_of_child([&] {
              q.put(5);
              return true;
            }),
            0);
  EXPECT_EQ(q.get(), 5);
  EXPECT_THROW(static_cast<void>(q.get()), cm::queue_closed) << "nobody is left who could put";
  EXPECT_EQ(q.get_for(1ms), std::nullopt);
}

TEST(queue, a_queue_goes_through_a_queue) {
  cm::queue<cm::queue<int>> outer;
  cm::queue<int> inner;
  outer.put(inner);
  outer.get().put(3);
  EXPECT_EQ(inner.get(), 3);
}

TEST(joinable_queue, joins_when_all_is_done) {
  cm::joinable_queue<int> q;
  EXPECT_THROW(q.task_done(), std::logic_error);
  for (int n = 0; n < 10; ++n) q.put(n);
  std::thread worker([q]() mutable {
    for (int n = 0; n < 10; ++n) {
      EXPECT_EQ(q.get(), n);
      q.task_done();
    }
  });
  q.join();
  worker.join();
}

int take_and_die(cm::joinable_queue<int> q) {
  static_cast<void>(q.get());
  static_cast<void>(q.get());
  return ::raise(SIGKILL);
}

TEST(joinable_queue, tells_of_tasks_that_a_dead_worker_had_taken) {
  cm::process_pool pool(1);
  cm::joinable_queue<int> q;
  for (int n = 0; n < 3; ++n) q.put(n);
  auto dead = pool.submit(take_and_die, q);
  EXPECT_THROW(static_cast<void>(dead.get()), cm::worker_died);
  try {
    q.join();
    ADD_FAILURE() << "two tasks are lost";
  } catch (const cm::owner_died& e) {
    EXPECT_NE(std::string(e.what()).find("2 tasks"), std::string::npos) << e.what();
  }
  EXPECT_EQ(q.get(), 2);
  q.task_done();
  q.join();
}

}  // namespace
