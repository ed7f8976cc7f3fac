// What only processes have: things that cannot travel, deaths, timeouts, recycling, initialisers, pools of one's own.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <latch>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

TEST(processes, run_elsewhere) {
  auto r = cm::parallel_map([](int) { return getpid(); }, numbers(100), {.executor = cm::process, .workers = 2});
  for (auto pid : r) EXPECT_NE(pid, getpid());
}

TEST(processes, closures_take_plain_values_along) {
  int k = 7;
  double d = 0.5;
  auto r = cm::parallel_map([k, d](int n) { return n * k + d; }, numbers(10), {.executor = cm::process});
  EXPECT_EQ(r.values()[3], 21.5);
}

struct multiply {
  std::vector<int> by;
  int operator()(int n) const { return n * by[1]; }
};

TEST(processes, aggregates_and_function_pointers_and_members_are_functions_too) {
  EXPECT_EQ(cm::parallel_map(multiply{{1, 5}}, numbers(3), {.executor = cm::process}).values()[2], 10);
  int (*absolute)(int) = [](int n) { return n < 0 ? -n : n; };
  EXPECT_EQ(cm::parallel_map(absolute, std::vector<int>{-3}, {.executor = cm::process}).values()[0], 3);
  EXPECT_EQ(
      cm::parallel_map(&std::string::size, std::vector<std::string>{"four"}, {.executor = cm::process}).values()[0],
      4u);
}

TEST(processes, large_arguments_are_looked_into_and_large_results_come_whole) {
  std::vector<std::vector<double>> items;
  for (int k = 0; k < 12; ++k) items.emplace_back(100'000 + k * 10'000, k + 0.25);
  // A span argument is the worker's own: it may write to it, and the next task does not see that.
  std::vector<std::span<double>> views(items.begin(), items.end());
  auto sums = cm::parallel_map(
      [](std::span<double> s) {
        const double sum = std::accumulate(s.begin(), s.end(), 0.0);
        std::fill(s.begin(), s.end(), -1);
        return sum;
      },
      views, {.executor = cm::process, .workers = 2});
  auto doubled = cm::parallel_map(
      [](const std::vector<double>& v) {
        std::vector<double> twice(v);
        for (double& x : twice) x *= 2;
        return twice;
      },
      items, {.executor = cm::process, .workers = 2});
  for (std::size_t k = 0; k < items.size(); ++k) {
    EXPECT_EQ(sums.values()[k], static_cast<double>(items[k].size()) * items[k][0]);
    EXPECT_EQ(doubled.values()[k], std::vector<double>(items[k].size(), items[k][0] * 2));
  }
}

TEST(processes, many_small_things_may_be_large_together) {
  std::vector<std::vector<std::string>> items(5, std::vector<std::string>(20'000, "not a run of plain numbers"));
  auto r = cm::parallel_map([](const std::vector<std::string>& v) { return v; }, items,
                            {.executor = cm::process, .workers = 2});
  EXPECT_TRUE(std::ranges::equal(r.values(), items));
  cm::process_pool pool(2);
  auto f = pool.submit([](const std::vector<double>& v) { return std::vector<double>(v.rbegin(), v.rend()); },
                       std::vector<double>(200'000, 3.5));
  EXPECT_EQ(f.get(), std::vector<double>(200'000, 3.5));
}

TEST(processes, an_error_may_be_large) {
  auto r = cm::parallel_map(
      [](int n) -> std::vector<double> {
        if (n % 2 == 0) throw std::runtime_error(std::string(200'000, 'e') + std::to_string(n));
        return std::vector<double>(50'000, n);
      },
      numbers(8), {.executor = cm::process, .workers = 2});
  for (const auto& [index, error] : r.failures()) {
    try {
      error.rethrow();
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(std::string(e.what()), std::string(200'000, 'e') + std::to_string(index));
    }
  }
  EXPECT_EQ(r.failures().size(), 4U);
  for (const auto& [index, value] : r.successes()) {
    EXPECT_EQ(value, std::vector<double>(50'000, static_cast<double>(index)));
  }
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const cm::payload_error& e) {
    return e.what();
  }
  return "nothing was refused";
}

TEST(processes, what_cannot_travel_is_refused_at_the_call_by_name) {
  int k = 1;
  auto items = numbers(3);
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([&k](int n) { return n + k; }, items, {.executor = cm::process});
            }).find("capture by value"),
            std::string::npos);
  std::string text = "captured";
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([text](int) { return text; }, items, {.executor = cm::process});
            }).find("the function"),
            std::string::npos);
  std::vector<int*> pointers{&k};
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([](int* p) { return *p; }, pointers, {.executor = cm::process});
            }).find("int*"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([](int n) { return std::make_unique<int>(n); }, items, {.executor = cm::process});
            }).find("a result"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([](const std::string& s) { return std::string_view(s); },
                                     std::vector<std::string>{"a"}, {.executor = cm::process});
            }).find("a result"),
            std::string::npos);
}

TEST(processes, views_travel_as_arguments) {
  std::string text = "one two three";
  std::vector<std::string_view> words{std::string_view(text).substr(0, 3), std::string_view(text).substr(4, 3)};
  EXPECT_EQ(cm::parallel_map([](std::string_view w) { return std::string(w) + "!"; }, words, {.executor = cm::process})
                .values()[1],
            "two!");
  std::vector<double> data{1, 2, 3, 4};
  std::vector<std::span<const double>> parts{{data.data(), 1}, {data.data() + 1, 3}};
  EXPECT_EQ(cm::parallel_map([](std::span<const double> p) { return std::accumulate(p.begin(), p.end(), 0.0); }, parts,
                             {.executor = cm::process})
                .values()[1],
            9.0);
}

struct of_mine : std::runtime_error {
  using runtime_error::runtime_error;
};

TEST(processes, exceptions_come_back) {
  auto r = cm::parallel_map(
      [](int n) -> int {
        switch (n) {
          case 0:
            throw std::out_of_range("zero");
          case 1:
            throw of_mine("one");
          case 2:
            throw 42;
          case 3:
            throw std::system_error(ENOENT, std::generic_category(), "opening");
          case 4:
            throw cm::checkpoint_error("four");
          default:
            return n;
        }
      },
      numbers(6), {.executor = cm::process});
  ASSERT_EQ(r.failures().size(), 5u);
  EXPECT_STREQ(r.failures()[0].error.as<std::out_of_range>()->what(), "zero");
  const auto* mine = r.failures()[1].error.as<cm::remote_error>();
  ASSERT_NE(mine, nullptr);
  EXPECT_NE(mine->type_name().find("of_mine"), std::string_view::npos);
  EXPECT_STREQ(mine->what(), "one");
  EXPECT_EQ(r.failures()[2].error.as<cm::remote_error>()->type_name(), "int");
  const auto* system = r.failures()[3].error.as<std::system_error>();
  ASSERT_NE(system, nullptr);
  EXPECT_EQ(system->code(), std::errc::no_such_file_or_directory);
  EXPECT_EQ(std::string(system->what()), std::system_error(ENOENT, std::generic_category(), "opening").what());
  EXPECT_NE(r.failures()[4].error.as<cm::checkpoint_error>(), nullptr);
}

TEST(processes, a_dead_worker_costs_the_task_it_ran) {
  auto r = cm::parallel_map(
      [](int n) {
        if (n == 20) ::raise(SIGKILL);
        if (n == 40) ::_exit(3);
        return n;
      },
      numbers(100), {.executor = cm::process, .workers = 2});
  ASSERT_EQ(r.failures().size(), 2u);
  const auto* killed = r.failures()[0].error.as<cm::worker_died>();
  ASSERT_NE(killed, nullptr) << r.failures()[0].error.what();
  EXPECT_EQ(r.failures()[0].index, 20u);
  EXPECT_EQ(killed->signal(), SIGKILL);
  EXPECT_EQ(killed->stage(), "run");
  const auto* left = r.failures()[1].error.as<cm::worker_died>();
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(left->exit_code(), 3);
}

TEST(processes, a_task_that_hangs_is_ended_at_its_limit) {
  auto r = cm::parallel_map(
      [](int n) {
        if (n == 1) pause();
        return n;
      },
      numbers(4), {.executor = cm::process, .workers = 2, .task_timeout = 1s});
  ASSERT_EQ(r.failures().size(), 1u);
  EXPECT_EQ(r.failures()[0].index, 1u);
  EXPECT_NE(r.failures()[0].error.as<cm::task_timeout>(), nullptr) << r.failures()[0].error.what();
}

TEST(processes, errors_are_named_where_they_were_thrown) {
  std::vector<unsigned> attempts(6, 0);
  cm::map_options<int> o;
  o.executor = cm::process;
  o.workers = 2;
  o.retry = cm::retry{.attempts = 3, .on = cm::errors<of_mine, cm::worker_died>};
  o.on_result = [&](const cm::item_result<int>& r) { attempts[r.index] = r.attempts; };
  auto r = cm::parallel_map(
      [](int n) -> int {
        if (n == 1) throw of_mine("named");
        if (n == 2) throw std::runtime_error("not named");
        if (n == 3) ::_exit(1);
        return n;
      },
      numbers(6), o);
  EXPECT_EQ(attempts, (std::vector<unsigned>{1, 3, 1, 3, 1, 1}));
  EXPECT_EQ(r.failures().size(), 3u);
}

int prepared = 0;

TEST(processes, an_initialiser_runs_once_in_each_worker) {
  int k = 5;
  auto r = cm::parallel_map([](int) { return prepared; }, numbers(50),
                            {.executor = cm::process, .workers = 2, .worker_init = [k] { prepared += k; }});
  for (int p : r) EXPECT_EQ(p, 5);
  EXPECT_EQ(prepared, 0);
}

TEST(processes, workers_are_replaced_after_their_tasks) {
  auto r = cm::parallel_map([](int) { return getpid(); }, numbers(40),
                            {.executor = cm::process, .workers = 2, .max_tasks_per_worker = 5});
  std::vector<pid_t> pids(r.begin(), r.end());
  EXPECT_GE(std::set<pid_t>(pids.begin(), pids.end()).size(), 8u);
}

TEST(processes, the_pool_stays_warm) {
  auto pids = [] {
    auto r = cm::parallel_map([](int) { return getpid(); }, numbers(200), {.executor = cm::process, .workers = 1});
    return std::set<pid_t>(r.begin(), r.end());
  };
  EXPECT_EQ(pids(), pids());
}

TEST(processes, large_items_and_results) {
  auto r = cm::parallel_map([](const std::vector<double>& v) { return std::vector<double>(v.rbegin(), v.rend()); },
                            std::vector<std::vector<double>>(3, std::vector<double>(500'000, 1.5)),
                            {.executor = cm::process});
  for (auto& v : r) EXPECT_EQ(v.size(), 500'000u);
}

TEST(processes, may_be_used_from_many_threads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      auto r = cm::parallel_map([t](int n) { return n + t; }, numbers(500), {.executor = cm::process, .workers = 2});
      for (auto& [index, value] : r.successes()) EXPECT_EQ(value, static_cast<int>(index) + t);
      EXPECT_TRUE(r.ok());
    });
  }
  for (auto& t : threads) t.join();
}

TEST(process_pools, submit_gives_futures) {
  cm::process_pool pool(2);
  EXPECT_EQ(pool.workers(), 2u);
  auto sum =
      pool.submit([](int a, const std::string& b) { return a + static_cast<int>(b.size()); }, 1, std::string("abc"));
  auto nothing = pool.submit([] {});
  auto thrown = pool.submit([](int n) -> int { throw std::domain_error(std::to_string(n)); }, 3);
  auto dead = pool.submit([] { ::raise(SIGKILL); });
  EXPECT_EQ(sum.get(), 4);
  nothing.get();
  EXPECT_THROW(thrown.get(), std::domain_error);
  EXPECT_THROW(dead.get(), cm::worker_died);
  std::vector<cm::future<int>> many;
  for (int i = 0; i < 2000; ++i) many.push_back(pool.submit([](int n) { return n * 2; }, i));
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(many[static_cast<std::size_t>(i)].get(), i * 2);
  EXPECT_EQ(pool.map([](int n) { return n; }, numbers(10)).values()[9], 9);
}

TEST(process_pools, close_join_terminate) {
  cm::process_pool pool(1);
  auto first = pool.submit([] { return 1; });
  pool.close();
  EXPECT_THROW((void)pool.submit([] { return 2; }), cm::pool_closed);
  EXPECT_THROW((void)pool.map([](int n) { return n; }, numbers(3)), cm::pool_closed);
  pool.join();
  EXPECT_TRUE(first.ready());
  EXPECT_EQ(first.get(), 1);
  cm::process_pool other(1);
  std::vector<cm::future<void>> hanging;
  for (int i = 0; i < 50; ++i) hanging.push_back(other.submit([] { pause(); }));
  other.terminate();
  for (auto& f : hanging) EXPECT_THROW(f.get(), cm::error);
}

TEST(process_pools, have_options_of_their_own) {
  cm::process_pool pool(1, {.worker_init = [] { prepared = 9; }, .task_timeout = 1s});
  EXPECT_EQ(pool.submit([] { return prepared; }).get(), 9);
  auto hung = pool.submit([] { pause(); });
  EXPECT_THROW(hung.get(), cm::task_timeout);
  EXPECT_EQ(cm::parallel_map([](int) { return prepared; }, numbers(3), {.executor = pool}).values()[1], 9);
  EXPECT_THROW(
      (void)cm::parallel_map([](int n) { return n; }, numbers(3), {.executor = pool, .max_tasks_per_worker = 3}),
      std::invalid_argument);
}

TEST(process_pools, results_come_in_though_nobody_waits) {
  cm::process_pool pool(2);
  std::vector<cm::future<int>> all;
  for (int i = 0; i < 300; ++i) all.push_back(pool.submit([](int n) { return n; }, i));
  for (auto& f : all) {
    while (!f.ready()) std::this_thread::yield();
  }
  for (int i = 0; i < 300; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(process_pools, many_threads_wait_at_once) {
  cm::process_pool pool(2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (int round = 0; round < 50; ++round) {
        std::vector<cm::future<int>> some;
        for (int i = 0; i < 1 + round % 7; ++i) some.push_back(pool.submit([](int n) { return n; }, 1000 * t + i));
        // The last first: others' results, and one's own, come in the way.
        for (int i = static_cast<int>(some.size()) - 1; i >= 0; --i) {
          ASSERT_EQ(some[static_cast<std::size_t>(i)].get(), 1000 * t + i);
        }
      }
    });
  }
  for (auto& t : threads) t.join();
}

TEST(process_pools, a_wait_ends_with_its_pool) {
  for (int round = 0; round < 5; ++round) {
    std::thread waiting;
    {
      cm::process_pool pool(1);
      auto hung = pool.submit([] { pause(); });
      auto behind = pool.submit([] {});
      std::latch begun(1);
      waiting = std::thread([hung = std::move(hung), behind = std::move(behind), &begun]() mutable {
        begun.count_down();
        EXPECT_THROW(hung.get(), cm::error);
        EXPECT_THROW(behind.get(), cm::error);
      });
      begun.wait();
      pool.terminate();
    }
    waiting.join();
  }
}

TEST(process_pools, a_future_outlives_its_pool) {
  cm::future<int> late;
  {
    cm::process_pool pool(1);
    late = pool.submit([] { return 5; });
    pool.join();
  }
  EXPECT_TRUE(late.ready());
  std::vector<cm::future<int>> all;
  all.push_back(std::move(late));
  for (auto& f : cm::as_completed(all)) EXPECT_EQ(f.get(), 5);
}

TEST(process_pools, tasks_that_wait_in_the_pool_can_be_taken_back) {
  cm::process_pool pool(1);
  auto hung = pool.submit([] { pause(); });
  std::vector<cm::future<int>> all;
  for (int i = 0; i < 200; ++i) all.push_back(pool.submit([](int n) { return n; }, i));
  int taken_back = 0;
  for (std::size_t i = 0; i < all.size(); i += 3) taken_back += all[i].cancel() ? 1 : 0;
  EXPECT_GT(taken_back, 0) << "a worker with a long task is not given all of them";
  pool.terminate();
  EXPECT_THROW(hung.get(), cm::error);
  for (auto& f : all) {
    ASSERT_TRUE(f.ready());
    EXPECT_THROW(f.get(), cm::error);
  }
}

TEST(process_pools, gaps_of_taken_back_tasks_do_not_shift_results) {
  cm::process_pool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::vector<cm::future<int>> all;
    std::set<int> gone;
    for (int i = 0; i < 500; ++i) {
      all.push_back(pool.submit([](int n) { return n; }, i));
      if (i % 3 == 1 && all[static_cast<std::size_t>(i - 1)].cancel()) gone.insert(i - 1);
    }
    for (int i = 0; i < 500; ++i) {
      if (gone.count(i) != 0) {
        EXPECT_THROW(all[static_cast<std::size_t>(i)].get(), cm::cancelled);
      } else {
        ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
      }
    }
  }
}

TEST(process_pools, one_thread_waits_for_threads_and_processes_at_once) {
  cm::process_pool processes(1);
  cm::process_pool others(1);
  cm::thread_pool threads(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<cm::future<int>> all;
    all.push_back(processes.submit([] { return 1; }));
    all.push_back(threads.submit([] { return 2; }));
    if (round % 2 == 1) all.push_back(others.submit([] { return 3; }));
    int sum = 0;
    for (auto& f : cm::as_completed(all)) sum += f.get();
    EXPECT_EQ(sum, round % 2 == 1 ? 6 : 3);
  }
  // A task of the thread pool waits for processes, and its worker goes on with others meanwhile.
  auto outer = threads.submit([&] { return processes.submit([](int n) { return n + 1; }, 41).get(); });
  EXPECT_EQ(outer.get(), 42);
}

TEST(process_pools, large_arguments_are_submitted_too) {
  cm::process_pool pool(2);
  std::vector<cm::future<std::size_t>> all;
  for (std::size_t n = 0; n < 100; ++n) {
    all.push_back(pool.submit([](const std::string& s) { return s.size(); }, std::string(n * 997, 'x')));
  }
  for (std::size_t n = 0; n < 100; ++n) EXPECT_EQ(all[n].get(), n * 997);
}

}  // namespace
