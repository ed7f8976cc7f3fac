// parallel_map and parallel_starmap: the same promises on every executor.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <forward_list>
#include <list>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

struct params {
  const char* name;
  cm::executor where;
  std::size_t workers;
};

class on_every_executor : public testing::TestWithParam<params> {
 protected:
  [[nodiscard]] cm::options how() const { return {.executor = GetParam().where, .workers = GetParam().workers}; }
  [[nodiscard]] bool processes() const { return GetParam().where.which() == cm::executor::kind::process; }
};

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

int odd_only(int n) {
  if (n % 2 == 0) throw std::invalid_argument("even: " + std::to_string(n));
  return n * 10;
}

TEST_P(on_every_executor, values_lie_in_the_order_of_the_input) {
  auto items = numbers(5000);
  auto r = cm::parallel_map([](int n) { return n * n; }, items, how());
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.status(), cm::run_status::completed);
  ASSERT_EQ(r.size(), 5000u);
  int i = 0;
  for (int v : r) {
    ASSERT_EQ(v, i * i);
    ++i;
  }
  EXPECT_EQ(i, 5000);
  EXPECT_EQ(r.successes().size(), 5000u);
  EXPECT_TRUE(r.failures().empty());
}

TEST_P(on_every_executor, nothing_in_nothing_out) {
  auto r = cm::parallel_map([](int n) { return n; }, std::vector<int>{}, how());
  EXPECT_TRUE(r.ok());
  EXPECT_TRUE(r.empty());
  EXPECT_TRUE(r.values().empty());
}

TEST_P(on_every_executor, an_exception_is_its_items_failure) {
  auto items = numbers(1001);
  auto r = cm::parallel_map(odd_only, items, how());
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.status(), cm::run_status::completed);
  ASSERT_EQ(r.failures().size(), 501u);
  std::size_t expected = 0;
  for (auto& [index, error] : r.failures()) {
    ASSERT_EQ(index, expected);
    const auto* e = error.as<std::invalid_argument>();
    ASSERT_NE(e, nullptr) << error.type_name();
    ASSERT_EQ(std::string(e->what()), "even: " + std::to_string(index));
    expected += 2;
  }
  expected = 1;
  for (auto& [index, value] : r.successes()) {
    ASSERT_EQ(index, expected);
    ASSERT_EQ(value, static_cast<int>(index) * 10);
    expected += 2;
  }
  try {
    for (int v : r) ADD_FAILURE() << v;
    FAIL();
  } catch (const cm::exception_group& g) {
    EXPECT_EQ(g.failures().size(), 501u);
    EXPECT_NE(std::string(g.what()).find("501 of 1001"), std::string::npos) << g.what();
  }
  EXPECT_THROW((void)r.values(), cm::exception_group);
  EXPECT_THROW(r.raise_on_failure(), cm::exception_group);
}

struct no_default {
  explicit no_default(std::string t) : text(std::move(t)) {}
  std::string text;
  no_default() = delete;
};

}  // namespace

template <>
struct centimane::codec<no_default> {
  static void write(writer& out, const no_default& v) { codec<std::string>::write(out, v.text); }
  static no_default read(reader& in) { return no_default(codec<std::string>::read(in)); }
};

namespace {

TEST_P(on_every_executor, results_need_no_default_constructor) {
  auto items = numbers(300);
  auto r =
      cm::parallel_map([](int n) { return no_default(std::string(static_cast<std::size_t>(n), 'x')); }, items, how());
  ASSERT_TRUE(r.ok());
  for (auto& [index, value] : r.successes()) ASSERT_EQ(value.text.size(), index);
}

TEST_P(on_every_executor, bools_lie_in_bytes) {
  auto items = numbers(1000);
  auto r = cm::parallel_map([](int n) { return n % 3 == 0; }, items, how());
  std::span<bool> values = r.values();
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i % 3 == 0);
  std::vector<bool> own = cm::parallel_map([](int n) { return n > 1; }, std::vector<int>{1, 2}, how()).values();
  EXPECT_EQ(own, (std::vector<bool>{false, true}));
}

TEST_P(on_every_executor, functions_without_a_result) {
  auto items = numbers(100);
  auto r = cm::parallel_map(
      [](int n) {
        if (n == 50) throw std::runtime_error("fifty");
      },
      items, how());
  EXPECT_EQ(r.size(), 100u);
  ASSERT_EQ(r.failures().size(), 1u);
  EXPECT_EQ(r.failures()[0].index, 50u);
  std::size_t n = 0;
  for (auto& s : r.successes()) {
    EXPECT_NE(s.index, 50u);
    ++n;
  }
  EXPECT_EQ(n, 99u);
}

const std::string& same(const std::string& s) { return s; }

TEST_P(on_every_executor, references_are_copied) {
  auto r = [&] {
    std::vector<std::string> short_lived{"one", "two", std::string(1000, 'z')};
    return cm::parallel_map(same, short_lived, how());
  }();
  EXPECT_EQ(r.values()[2], std::string(1000, 'z'));
}

TEST_P(on_every_executor, any_input_range_will_do) {
  std::list<int> list{1, 2, 3};
  EXPECT_EQ(cm::parallel_map([](const int& n) { return n + 1; }, list, how()).values(), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(cm::parallel_map([](int n) { return n + 1; }, std::forward_list<int>{4, 5}, how()).values(),
            (std::vector<int>{5, 6}));
  std::deque<std::string> deque{"a", "bc"};
  EXPECT_EQ(cm::parallel_map([](const std::string& s) { return s.size(); }, deque, how()).values(),
            (std::vector<std::size_t>{1, 2}));
  std::vector<bool> bits{true, false, true};
  EXPECT_EQ(cm::parallel_map([](bool b) { return b ? 1 : 0; }, bits, how()).values(), (std::vector<int>{1, 0, 1}));
  std::istringstream words("10 20 30 40");
  std::ranges::subrange in(std::istream_iterator<int>(words), std::istream_iterator<int>{});
  EXPECT_EQ(cm::parallel_map([](int n) { return n / 10; }, in, how()).values(), (std::vector<int>{1, 2, 3, 4}));
}

/// A single-pass range that makes n numbers and throws at the end if asked.
class generator {
 public:
  explicit generator(int n, bool fails = false, int* live = nullptr) : n_(n), fails_(fails), made_(live) {}
  class iterator {
   public:
    using value_type = std::unique_ptr<int>;
    using difference_type = std::ptrdiff_t;
    explicit iterator(generator* from) : from_(from) {}
    std::unique_ptr<int> operator*() const {
      if (from_->made_ != nullptr) ++*from_->made_;
      return std::make_unique<int>(from_->at_);
    }
    iterator& operator++() {
      if (++from_->at_ == from_->n_ && from_->fails_) throw std::domain_error("the source is broken");
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.from_->done(); }

   private:
    generator* from_;
  };
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  [[nodiscard]] bool done() const { return at_ == n_; }

 private:
  int n_, at_ = 0;
  bool fails_;
  int* made_;
};

TEST(map_here, generators_give_their_items_away) {
  for (cm::executor where : {cm::sequential, cm::thread}) {
    auto r = cm::parallel_map([](std::unique_ptr<int> p) { return p; }, generator(10000), {.executor = where});
    ASSERT_TRUE(r.ok());
    ASSERT_EQ(r.size(), 10000u);
    int i = 0;
    for (auto& p : r) ASSERT_EQ(*p, i++);
  }
}

TEST(map_here, a_source_that_throws_ends_the_call) {
  std::atomic<int> ran = 0;
  for (cm::executor where : {cm::sequential, cm::thread}) {
    try {
      (void)cm::parallel_map([&](std::unique_ptr<int> p) { return ran += *p >= 0; }, generator(1000, true),
                             {.executor = where});
      FAIL();
    } catch (const std::domain_error& e) {
      EXPECT_STREQ(e.what(), "the source is broken");
    }
  }
  EXPECT_LE(ran, 2000);
}

TEST(map_here, owned_containers_give_their_items_away_views_do_not) {
  std::vector<std::string> mine{std::string(100, 'a'), std::string(100, 'b')};
  auto r = cm::parallel_map([](std::string&& s) { return std::move(s); }, std::span<std::string>(mine));
  EXPECT_EQ(r.values()[0], mine[0]);  // a span does not own what it shows
  auto moved = cm::parallel_map([](std::string&& s) { return std::move(s); }, std::move(mine));
  EXPECT_EQ(moved.values()[1], std::string(100, 'b'));
}

TEST(map_here, items_of_lvalue_ranges_are_lent) {
  const std::vector<int> items{1, 2, 3};
  auto r = cm::parallel_map([](const int& n) { return &n; }, items);
  for (auto& [index, address] : r.successes()) EXPECT_EQ(address, &items[index]);
  static_assert(!cm::mappable<void (*)(int&), std::vector<int>&>);
  static_assert(!cm::mappable<void (*)(std::unique_ptr<int>), std::vector<std::unique_ptr<int>>&>);
  static_assert(cm::mappable<void (*)(std::unique_ptr<int>), std::vector<std::unique_ptr<int>>>);
}

TEST(map_here, starmap_spreads_tuples) {
  std::vector<std::tuple<int, std::string, double>> rows{{1, "a", 0.5}, {2, "bb", 1.5}};
  for (cm::executor where : {cm::sequential, cm::thread, cm::process}) {
    auto r =
        cm::parallel_starmap([](int n, const std::string& s, double d) { return n + static_cast<int>(s.size()) + d; },
                             rows, {.executor = where});
    EXPECT_EQ(r.values()[0], 2.5);
    EXPECT_EQ(r.values()[1], 5.5);
  }
  auto r = cm::parallel_starmap([](int a, int b) { return a * b; }, std::list<std::pair<int, int>>{{2, 3}, {4, 5}});
  EXPECT_EQ(std::move(r).values(), (std::vector<int>{6, 20}));
}

TEST(map_here, big_run_on_threads_touches_every_item_once) {
  std::vector<std::uint32_t> items(2'000'000, 1);
  std::atomic<std::uint64_t> sum = 0;
  auto r = cm::parallel_map(
      [&](const std::uint32_t& n) {
        sum.fetch_add(n, std::memory_order_relaxed);
        return n + 1;
      },
      items);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(sum, items.size());
  EXPECT_TRUE(std::ranges::all_of(r.values(), [](auto n) { return n == 2; }));
}

TEST(map_here, runs_nest) {
  std::vector<int> outer = numbers(20);
  auto r = cm::parallel_map(
      [](int n) {
        auto inner = cm::parallel_map([n](int m) { return n * m; }, numbers(20));
        return std::accumulate(inner.begin(), inner.end(), 0);
      },
      outer);
  for (auto& [index, value] : r.successes()) EXPECT_EQ(value, static_cast<int>(index) * 190);
  EXPECT_TRUE(r.ok());
}

TEST_P(on_every_executor, progress_counts_every_item) {
  std::vector<cm::progress> seen;
  cm::options o = how();
  o.on_progress = [&](const cm::progress& p) { seen.push_back(p); };
  auto r = cm::parallel_map(odd_only, numbers(100), o);
  ASSERT_EQ(seen.size(), 100u);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].completed, i + 1);
    EXPECT_EQ(seen[i].total, 100u);
    EXPECT_GE(seen[i].started, seen[i].completed);
  }
  EXPECT_EQ(seen.back().failed, 50u);
}

TEST_P(on_every_executor, on_result_sees_each_outcome_once) {
  std::vector<int> seen(200, 0);
  cm::map_options<int> o = how();
  o.on_result = [&](const cm::item_result<int>& r) {
    ++seen[r.index];
    EXPECT_EQ(r.attempts, 1u);
    if (r.index % 2 == 0) {
      EXPECT_EQ(r.value, nullptr);
      ASSERT_NE(r.error, nullptr);
      EXPECT_NE(r.error->as<std::invalid_argument>(), nullptr);
    } else {
      EXPECT_EQ(r.error, nullptr);
      ASSERT_NE(r.value, nullptr);
      EXPECT_EQ(*r.value, static_cast<int>(r.index) * 10);
    }
  };
  auto r = cm::parallel_map(odd_only, numbers(200), o);
  EXPECT_EQ(seen, std::vector<int>(200, 1));
}

TEST_P(on_every_executor, item_results_tell_each_outcome_and_how_it_came_about) {
  std::vector<int> workers(200, -2);
  cm::map_options<int> o = how();
  o.on_result = [&](const cm::item_result<int>& r) { workers[r.index] = r.worker; };
  auto r = cm::parallel_map(odd_only, numbers(200), o);
  std::size_t n = 0;
  ASSERT_EQ(r.item_results().size(), 200u);
  for (auto& item : r.item_results()) {
    ASSERT_EQ(item.index, n);
    EXPECT_EQ(item.ok(), n % 2 == 1);
    EXPECT_EQ(item.attempts, 1u);
    EXPECT_EQ(item.worker, workers[n]);
    EXPECT_GE(item.worker, 0);
    EXPECT_EQ(item.key, "");
    EXPECT_EQ(item.duration, 0ns);
    if (item.ok()) {
      EXPECT_EQ(*item.value, static_cast<int>(n) * 10);
      ++*item.value;  // it is the result's own
    } else {
      EXPECT_EQ(item.value, nullptr);
      EXPECT_NE(item.error->as<std::invalid_argument>(), nullptr);
    }
    ++n;
  }
  EXPECT_EQ(n, 200u);
  const auto& fixed = r;
  const auto second = ++fixed.item_results().begin();
  static_assert(std::is_same_v<decltype(second->value), const int*>);
  EXPECT_EQ(*second->value, 11);
}

TEST_P(on_every_executor, item_results_know_of_retries_keys_times_and_what_never_began) {
  cm::map_options<std::string> o = how();
  o.retry = cm::retry{.attempts = 3, .backoff = 0s};
  o.item_key = [](const int& n) { return "k" + std::to_string(n); };
  o.insights = true;
  o.window_size = 1;  // what is behind the third is not begun before it has failed
  o.max_errors = 1;
  auto stubborn = [](int n) {
    std::this_thread::sleep_for(1us);  // for the clock
    if (n == 2) throw std::runtime_error("never");
    return std::to_string(n);
  };
  auto r = cm::parallel_map(stubborn, numbers(5), o);
  std::vector<unsigned> attempts;
  for (auto& item : r.item_results()) {
    if (item.attempts > 0) {
      EXPECT_EQ(item.key, "k" + std::to_string(item.index));
    }
    EXPECT_EQ(item.worker >= 0, item.attempts > 0);
    EXPECT_EQ(item.duration > 0ns, item.attempts > 0);
    EXPECT_EQ(item.ok(), item.index < 2);
    attempts.push_back(item.attempts);
  }
  EXPECT_EQ(attempts, (std::vector<unsigned>{1, 1, 3, 0, 0}));
}

TEST_P(on_every_executor, item_results_of_a_function_without_a_value) {
  const auto r = cm::parallel_map([](int n) { (void)odd_only(n); }, numbers(4), how());
  std::vector<bool> good;
  for (const auto& item : r.item_results()) good.push_back(item.ok() && item.attempts == 1 && item.worker >= 0);
  EXPECT_EQ(good, (std::vector<bool>{false, true, false, true}));
  EXPECT_TRUE(cm::parallel_map(odd_only, numbers(0), how()).empty());
}

TEST_P(on_every_executor, a_callback_that_throws_ends_the_run) {
  int calls = 0;
  cm::map_options<int> o = how();
  o.window_size = 100;
  o.on_result = [&](const cm::item_result<int>&) {
    if (++calls == 10) throw std::logic_error("enough");
  };
  EXPECT_THROW((void)cm::parallel_map([](int n) { return n; }, numbers(100'000), o), std::logic_error);
  EXPECT_EQ(calls, 10);  // a callback that has thrown is not called again
}

TEST_P(on_every_executor, max_errors_aborts) {
  cm::options o = how();
  o.max_errors = 3;
  auto r = cm::parallel_map(
      [](int n) -> int {
        if (n >= 10) throw std::runtime_error("no");
        return n;
      },
      numbers(100'000), o);
  EXPECT_EQ(r.status(), cm::run_status::aborted);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.size(), 100'000u);
  std::size_t cut = 0;
  for (auto& [index, error] : r.failures()) cut += error.as<cm::aborted>() != nullptr;
  EXPECT_EQ(r.successes().size() + r.failures().size(), 100'000u);
  EXPECT_GT(cut, 0u);
  for (auto& [index, value] : r.successes()) EXPECT_EQ(value, static_cast<int>(index));
}

TEST_P(on_every_executor, the_first_failure_is_enough_if_asked) {
  cm::options o = how();
  o.max_errors = 1;
  o.window_size = 1;
  auto r = cm::parallel_map(
      [](int n) -> int {
        if (n == 2) throw std::runtime_error("no");
        return n;
      },
      numbers(10), o);
  EXPECT_EQ(r.status(), cm::run_status::aborted);
  ASSERT_FALSE(r.failures().empty());
  EXPECT_EQ(r.failures().front().index, 2u);
  EXPECT_NE(r.failures().front().error.as<std::runtime_error>(), nullptr);
}

TEST_P(on_every_executor, a_stop_token_stops) {
  std::stop_source stop;
  cm::options o = how();
  o.stop = stop.get_token();
  o.window_size = 100;
  int seen = 0;
  o.on_progress = [&](const cm::progress&) {
    if (++seen == 5) stop.request_stop();
  };
  auto r = cm::parallel_map([](int n) { return n; }, numbers(100'000), o);
  EXPECT_EQ(r.status(), cm::run_status::stopped);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.successes().size() + r.failures().size(), 100'000u);
  ASSERT_FALSE(r.failures().empty());
  EXPECT_NE(r.failures().back().error.as<cm::cancelled>(), nullptr);
}

TEST_P(on_every_executor, a_stop_token_set_before_lets_nothing_begin) {
  std::stop_source stop;
  stop.request_stop();
  cm::options o = how();
  o.stop = stop.get_token();
  auto known = cm::parallel_map([](int n) { return n; }, numbers(10), o);
  EXPECT_EQ(known.status(), cm::run_status::stopped);
  EXPECT_EQ(known.failures().size(), 10u);
  int pulled = 0;
  auto lazy = std::views::iota(0) | std::views::transform([&](int n) { return ++pulled, n; });
  EXPECT_TRUE(cm::parallel_map([](int n) { return n; }, lazy, o).successes().empty());
  EXPECT_EQ(pulled, 0);
}

TEST_P(on_every_executor, a_timeout_cuts_the_run_short) {
  cm::options o = how();
  o.timeout = 0ms;
  auto r = cm::parallel_map([](int n) { return n; }, numbers(1000), o);
  EXPECT_EQ(r.status(), cm::run_status::timed_out);
  ASSERT_EQ(r.failures().size(), 1000u);
  EXPECT_NE(r.failures()[7].error.as<cm::timed_out>(), nullptr);
}

struct flaky : std::runtime_error {
  using runtime_error::runtime_error;
};

TEST(map_here, retries_what_the_filter_names) {
  std::vector<std::atomic<int>> tries(50);
  for (cm::executor where : {cm::sequential, cm::thread}) {
    for (auto& t : tries) t = 0;
    cm::map_options<int> o;
    o.executor = where;
    o.retry = cm::retry{.attempts = 3, .on = cm::errors<flaky>};
    std::vector<unsigned> attempts(50, 0);
    o.on_result = [&](const cm::item_result<int>& r) { attempts[r.index] = r.attempts; };
    auto r = cm::parallel_map(
        [&](int n) {
          int mine = ++tries[static_cast<std::size_t>(n)];
          if (n % 5 == 1 && mine < 3) throw flaky("again");
          if (n % 5 == 2) throw flaky("always");
          if (n % 5 == 3) throw std::runtime_error("not named");
          return mine;
        },
        numbers(50), o);
    EXPECT_EQ(r.failures().size(), 20u);
    for (int i = 0; i < 50; ++i) {
      auto k = static_cast<std::size_t>(i);
      int expected = i % 5 == 1 || i % 5 == 2 ? 3 : 1;
      EXPECT_EQ(tries[k], expected) << i;
      EXPECT_EQ(attempts[k], static_cast<unsigned>(expected)) << i;
    }
  }
}

TEST(map_here, retry_needs_items_that_survive) {
  EXPECT_THROW((void)cm::parallel_map([](std::unique_ptr<int>) { return 0; }, std::vector<std::unique_ptr<int>>(3),
                                      {.retry = cm::retry{}}),
               std::invalid_argument);
  std::atomic<int> n = 0;
  auto r = cm::parallel_map(
      [&](std::string&& s) {
        std::string taken = std::move(s);
        if (++n % 2 == 1) throw std::runtime_error("again");
        return taken;
      },
      std::vector<std::string>{"kept"}, {.executor = cm::sequential, .retry = cm::retry{.attempts = 2}});
  EXPECT_EQ(r.values()[0], "kept");
}

TEST(map_here, a_rate_limit_lets_all_through) {
  auto r = cm::parallel_map([](int n) { return n; }, numbers(50),
                            {.rate_limit = cm::rate_limit{100'000, cm::per::second, 10}});
  EXPECT_TRUE(r.ok());
}

/// Counts live objects.
struct counted {
  static inline std::atomic<int> live = 0;
  counted() { ++live; }
  counted(const counted&) { ++live; }
  counted(counted&&) noexcept { ++live; }
  counted& operator=(const counted&) = default;
  ~counted() { --live; }
};

TEST(map_here, every_object_is_destroyed) {
  for (cm::executor where : {cm::sequential, cm::thread}) {
    {
      auto r = cm::parallel_map(
          [](const counted&) {
            static std::atomic<int> n = 0;
            if (++n % 3 == 0) throw counted();
            return counted();
          },
          std::vector<counted>(1000), {.executor = where});
      EXPECT_FALSE(r.ok());
    }
    EXPECT_EQ(counted::live, 0);
    {
      cm::map_options<counted> o;
      o.executor = where;
      o.on_result = [n = 0](const cm::item_result<counted>&) mutable {
        if (++n == 100) throw 1;
      };
      EXPECT_THROW((void)cm::parallel_map([](const counted& c) { return c; }, std::list<counted>(1000), o), int);
    }
    EXPECT_EQ(counted::live, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(executors, on_every_executor,
                         testing::Values(params{"sequential", cm::sequential, 0}, params{"one_thread", cm::thread, 1},
                                         params{"threads", cm::thread, 0}, params{"many_threads", cm::thread, 8},
                                         params{"processes", cm::process, 2}, params{"one_process", cm::process, 1}),
                         [](const auto& p) { return p.param.name; });

TEST(threads, a_stop_is_heard_in_the_middle_of_a_flat_run) {
  // One worker takes large parts of plain numbers at once; the item in the middle asks for a stop and waits until the
  // stop has come.
  cm::thread_pool one(1);
  const auto items = numbers(1'000'000);
  constexpr int middle = 300'000;
  std::stop_source source;
  std::vector<std::uint8_t> ran(items.size());
  auto r = cm::parallel_map(
      [&](int n) {
        ran[static_cast<std::size_t>(n)] = 1;
        if (n == middle) {
          source.request_stop();
          while (!cm::this_task::stop_requested()) std::this_thread::yield();
        }
        return n;
      },
      items, {.executor = one, .stop = source.get_token()});
  EXPECT_EQ(r.status(), cm::run_status::stopped);
  const auto count = std::count(ran.begin(), ran.end(), 1);
  EXPECT_GT(count, middle);
  EXPECT_LE(count, middle + 256) << "items run after the stop had come";
  EXPECT_EQ(static_cast<std::size_t>(count), r.successes().size());
  for (const auto& [index, value] : r.successes()) ASSERT_EQ(value, static_cast<int>(index));
}

TEST(threads, a_flat_run_goes_on_behind_each_failure) {
  for (const std::size_t workers : {1U, 3U}) {
    const auto items = numbers(200'000);
    auto r = cm::parallel_map(
        [](int n) {
          if (n % 1000 == 999) throw std::out_of_range(std::to_string(n));
          return n + 1;
        },
        items, {.workers = workers});
    ASSERT_EQ(r.failures().size(), 200U);
    for (const auto& [index, error] : r.failures()) {
      ASSERT_EQ(index % 1000, 999U);
      ASSERT_EQ(error.what(), std::to_string(index));
    }
    ASSERT_EQ(r.successes().size(), items.size() - 200);
    for (const auto& [index, value] : r.successes()) ASSERT_EQ(value, static_cast<int>(index) + 1);
  }
}

TEST(threads, large_results_are_whole) {
  // Beyond the size from which values lie in huge pages, and not a multiple of one.
  const auto items = numbers(1'500'001);
  auto r = cm::parallel_map([](int n) { return std::int64_t{n} * 3; }, items);
  ASSERT_TRUE(r.ok());
  std::int64_t i = 0;
  for (const std::int64_t v : r) ASSERT_EQ(v, 3 * i++);
  EXPECT_EQ(i, 1'500'001);
}

// ---- a limit of their own, where nobody can end them

template <class R>
R when_asked(R value) {
  while (!cm::this_task::stop_requested()) std::this_thread::yield();
  return value;
}

TEST(task_timeouts_on_threads, what_comes_back_too_late_does_not_count) {
  for (const std::size_t workers : {1U, 2U}) {
    const cm::options how{.workers = workers, .task_timeout = 1ms};
    const auto strings = cm::parallel_map([](int) { return when_asked(std::string(100, 'x')); }, numbers(3), how);
    ASSERT_EQ(strings.failures().size(), 3U);
    const auto* late = strings.failures()[0].error.as<cm::task_timeout>();
    ASSERT_NE(late, nullptr);
    EXPECT_NE(std::string(late->what()).find("limit of 0.001 s"), std::string::npos) << late->what();
    EXPECT_NE(std::string(late->what()).find("it came back after"), std::string::npos) << late->what();
    const auto errors = cm::parallel_map(
        [](int) {
          when_asked(0);
          throw std::logic_error("late");
        },
        numbers(3), how);
    for (const auto& [index, error] : errors.failures()) EXPECT_NE(error.as<cm::task_timeout>(), nullptr) << index;
    for (auto& item : cm::parallel_iter([](int) { return when_asked(std::string(100, 'x')); }, numbers(3), how)) {
      ASSERT_NE(item.error, nullptr);
      EXPECT_NE(item.error->as<cm::task_timeout>(), nullptr);
    }
  }
}

TEST(task_timeouts_on_threads, are_tried_again_where_that_is_asked_for) {
  for (const std::size_t workers : {1U, 2U}) {
    std::vector<std::atomic<int>> tries(4);
    std::vector<std::atomic<int>> inside(4);  // no attempt begins beside another of its item
    auto once = [&](std::string&& item) {
      const auto n = static_cast<std::size_t>(std::stoi(item));
      EXPECT_EQ(++inside[n], 1);
      const bool first = ++tries[n] == 1;
      if (first) (void)when_asked(0);
      --inside[n];
      return first ? std::string("late") : item + item;
    };
    const auto r =
        cm::parallel_map(once, std::vector<std::string>{"0", "1", "2", "3"},
                         {.workers = workers,
                          .retry = cm::retry{.attempts = 1000, .backoff = 0s, .on = cm::errors<cm::task_timeout>},
                          .task_timeout = 50ms});
    ASSERT_TRUE(r.ok());
    EXPECT_EQ(r.values()[3], "33");
    for (const auto& n : tries) EXPECT_GE(n, 2);
  }
}

TEST(task_timeouts_on_threads, in_time_is_as_ever) {
  const auto items = numbers(1000);
  const auto r = cm::parallel_map([](int n) { return cm::this_task::stop_requested() ? -1 : n; }, items,
                                  {.workers = 3, .task_timeout = 10min});
  ASSERT_TRUE(r.ok());
  EXPECT_TRUE(std::equal(r.begin(), r.end(), items.begin()));
}

}  // namespace
