// parallel_iter: order, bounded memory, leaving early, on every executor.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;

namespace {

/// Counts 0, 1, … n - 1, or for ever; knows how far it was read.
class counter {
 public:
  explicit counter(int n, int* read = nullptr, int fails_at = -1) : n_(n), read_(read), fails_at_(fails_at) {}
  class iterator {
   public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    explicit iterator(counter* from) : from_(from) {}
    int operator*() const { return from_->read(); }
    iterator& operator++() {
      from_->step();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.from_->done(); }

   private:
    counter* from_;
  };
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  [[nodiscard]] bool done() const { return at_ == n_; }
  int read() {
    if (at_ == fails_at_) throw std::domain_error("the source is broken");
    if (read_ != nullptr) ++*read_;
    return at_;
  }
  void step() { ++at_; }

 private:
  int n_, at_ = 0;
  int* read_;
  int fails_at_;
};

struct counted {
  static inline std::atomic<int> live = 0, most = 0;
  int value;
  explicit counted(int v) : value(v) {
    int now = ++live, seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
  }
  counted(const counted& o) : counted(o.value) {}
  ~counted() { --live; }
};

class streams : public testing::TestWithParam<cm::executor> {};

TEST_P(streams, come_in_order_with_failures_among_them) {
  std::size_t expected = 0;
  auto s = cm::parallel_iter(
      [](int n) -> std::string {
        if (n % 10 == 3) throw std::out_of_range(std::to_string(n));
        return std::to_string(n);
      },
      counter(5000), {.executor = GetParam(), .workers = 3});
  for (auto& r : s) {
    ASSERT_EQ(r.index, expected);
    ASSERT_EQ(r.attempts, 1u);
    if (expected % 10 == 3) {
      ASSERT_EQ(r.value, nullptr);
      ASSERT_NE(r.error->as<std::out_of_range>(), nullptr);
    } else {
      ASSERT_EQ(r.error, nullptr);
      ASSERT_EQ(*r.value, std::to_string(expected));
    }
    ++expected;
  }
  EXPECT_EQ(expected, 5000u);
  EXPECT_EQ(s.status(), cm::run_status::completed);
}

TEST_P(streams, unordered_gives_each_once) {
  std::vector<int> items(3000), seen(3000, 0);
  for (auto& r :
       cm::parallel_iter([](int) { return 1; }, items, {.executor = GetParam(), .workers = 3, .ordered = false})) {
    seen[r.index] += *r.value;
  }
  EXPECT_EQ(seen, std::vector<int>(3000, 1));
}

TEST_P(streams, leaving_early_reads_no_further_than_the_window) {
  int read = 0;
  int taken = 0;
  for (auto& r : cm::parallel_iter([](int n) { return n; }, counter(1'000'000, &read),
                                   {.executor = GetParam(), .workers = 2, .window_size = 50})) {
    ASSERT_EQ(*r.value, taken);
    if (++taken == 200) break;
  }
  EXPECT_EQ(taken, 200);
  EXPECT_LE(read, 200 + 50);
}

TEST_P(streams, a_source_that_throws_is_told_after_what_came_before) {
  int seen = 0;
  try {
    for (auto& r : cm::parallel_iter([](int n) { return n; }, counter(1000, nullptr, 77), {.executor = GetParam()})) {
      EXPECT_EQ(*r.value, seen);
      ++seen;
    }
    FAIL();
  } catch (const std::domain_error&) {
  }
  EXPECT_EQ(seen, 77);
}

INSTANTIATE_TEST_SUITE_P(executors, streams, testing::Values(cm::sequential, cm::thread, cm::process),
                         [](const auto& p) {
                           return std::string(p.param.which() == cm::executor::kind::sequential ? "sequential"
                                              : p.param.which() == cm::executor::kind::thread   ? "thread"
                                                                                                : "process");
                         });

TEST(stream_here, values_live_no_longer_than_the_window) {
  for (cm::executor where : {cm::sequential, cm::thread}) {
    counted::most = 0;
    long sum = 0;
    for (auto& r :
         cm::parallel_iter([](int n) { return counted(n); }, counter(20'000), {.executor = where, .window_size = 64})) {
      sum += r.value->value;
    }
    EXPECT_EQ(sum, 20'000L * 19'999 / 2);
    EXPECT_LE(counted::most, 64 + 8);
    EXPECT_EQ(counted::live, 0);
    int n = 0;
    for (auto& r :
         cm::parallel_iter([](int i) { return counted(i); }, counter(20'000), {.executor = where, .window_size = 64})) {
      (void)r;
      if (++n == 30) break;
    }
    EXPECT_EQ(counted::live, 0);
  }
}

TEST(stream_here, a_window_of_bytes_holds) {
  std::vector<std::string> seen;
  std::size_t n = 0;
  for (auto& r : cm::parallel_iter([](std::string s) { return s.size(); },
                                   std::vector<std::string>(100, std::string(1000, 'x')), {.window_bytes = 5000})) {
    n += *r.value;
  }
  EXPECT_EQ(n, 100'000u);
  for (auto& r : cm::parallel_iter([](int i) { return i; }, counter(500), {.window_bytes = 40})) n += r.index < 500;
  EXPECT_EQ(n, 100'500u);
}

TEST(stream_here, results_that_wait_count_in_a_window_of_bytes) {
  for (const auto& where : {cm::sequential, cm::thread}) {
    std::atomic<std::size_t> begun = 0;
    std::size_t taken = 0, most = 0;
    const auto large = [&](int) {
      ++begun;
      return std::string(1000, 'x');
    };
    for (auto& r :
         cm::parallel_iter(large, std::vector<int>(60), {.executor = where, .workers = 2, .window_bytes = 5000})) {
      most = std::max(most, begun - taken);
      taken += r.value->size() / 1000;
    }
    EXPECT_EQ(taken, 60U);
    EXPECT_LE(most, 8U);
  }
}

TEST(stream_here, sequential_is_lazy) {
  int ran = 0;
  for (auto& r :
       cm::parallel_iter([&](int) { return ++ran; }, counter(100), {.executor = cm::sequential, .window_size = 1})) {
    EXPECT_EQ(ran, *r.value);
  }
  EXPECT_EQ(ran, 100);
}

/// What a fork's copy of a stream answers: 0 for pool_forked.
int use_copy(cm::stream<int>& stream, cm::stream<int>::iterator& at) {
  try {
    for (int i = 0; i < 1'000'000 && at != stream.end(); ++i) ++at;
    return 1;
  } catch (const cm::pool_forked&) {
    return 0;
  } catch (...) {
    return 2;
  }
}

TEST(streams, the_copy_that_a_fork_has_refuses_and_does_no_harm) {
  for (const auto& where : {cm::thread, cm::process}) {
    for (const bool drop : {false, true}) {
      std::optional stream(cm::parallel_iter([](int n) { return n; }, counter(-1), {.executor = where, .workers = 2}));
      auto at = stream->begin();
      for (int i = 0; i < 10; ++i) ++at;
      const pid_t child = fork();
      if (child == 0) {
        const int answer = drop ? 0 : use_copy(*stream, at);
        stream.reset();
        _exit(answer);
      }
      int status = -1;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0) << (where.which() == cm::executor::kind::thread ? "thread" : "process") << " " << drop;
      for (int i = 10; i < 5000; ++i, ++at) ASSERT_EQ(*at->value, i);
    }
  }
}

}  // namespace
