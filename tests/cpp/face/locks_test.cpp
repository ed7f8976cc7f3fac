// Mutexes, semaphores, conditions, events, barriers and values between processes, by their public face: in worker
// processes, as arguments and in callables.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <numeric>
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
const cm::options two{.executor = cm::process, .workers = 2};

struct record {
  std::array<long, 5> counts{};
};

struct add_under_lock {
  cm::process_mutex m;
  cm::shared_value<long> sum;
  void operator()(int n) const {
    const std::lock_guard held(m);
    sum.store(sum.load() + n);
  }
};

TEST(process_mutexes, exclude_workers) {
  const add_under_lock add;
  EXPECT_TRUE(cm::parallel_map(add, numbers(1000), two).ok());
  EXPECT_EQ(add.sum.load(), 499500);
}

TEST(process_mutexes, are_timed_and_lockable) {
  cm::process_mutex m, other;
  {
    const std::scoped_lock both(m, other);
    EXPECT_FALSE(m.try_lock());
    EXPECT_FALSE(m.try_lock_for(1ns));
    EXPECT_FALSE(m.try_lock_until(std::chrono::system_clock::time_point::min()));
    EXPECT_FALSE(m.try_lock_until(std::chrono::steady_clock::now()));
  }
  const std::unique_lock held(m, std::try_to_lock);
  EXPECT_TRUE(held.owns_lock());
  const cm::process_mutex same = m;
  EXPECT_FALSE(same.try_lock());
  EXPECT_THROW(other.unlock(), std::system_error);
}

TEST(process_mutexes, recursive_ones_belong_to_their_thread) {
  const cm::process_recursive_mutex m;
  m.lock();
  m.lock();
  std::thread([&] {
    EXPECT_FALSE(m.try_lock());
    EXPECT_THROW(m.unlock(), std::system_error);
  }).join();
  m.unlock();
  m.unlock();
  EXPECT_THROW(m.unlock(), std::system_error);
}

struct die_with_it {
  cm::process_mutex m;
  void operator()(int) const {
    m.lock();
    ::kill(::getpid(), SIGKILL);
  }
};

TEST(process_mutexes, tell_once_of_an_owner_that_died) {
  const die_with_it it;
  EXPECT_FALSE(cm::parallel_map(it, numbers(1), two).ok());
  EXPECT_THROW(it.m.lock(), cm::owner_died);
  EXPECT_TRUE(it.m.try_lock());
  it.m.unlock();
}

TEST(process_mutexes, damaged_records_are_refused) {
  const cm::process_mutex m;
  cm::writer out;
  cm::codec<cm::process_mutex>::write(out, m);
  cm::reader whole(out.view()), part(out.view().first(10)), other(out.view());
  EXPECT_THROW((void)cm::codec<cm::process_mutex>::read(part), cm::payload_error);
  EXPECT_THROW((void)cm::codec<cm::process_recursive_mutex>::read(other), cm::payload_error);
  const cm::process_mutex again = cm::codec<cm::process_mutex>::read(whole);
  m.lock();
  EXPECT_FALSE(again.try_lock());
}

struct take_a_permit {
  cm::process_semaphore s;
  bool operator()(int) const { return s.try_acquire(); }
};

TEST(process_semaphores, count_over_workers_and_get_back_what_the_dead_held) {
  const take_a_permit take{cm::process_semaphore(3)};
  {
    cm::process_pool pool(1);
    int got = 0;
    for (int k = 0; k < 5; ++k) got += pool.submit(take, k).get() ? 1 : 0;
    EXPECT_EQ(got, 3);
    EXPECT_FALSE(take.s.try_acquire());
    EXPECT_FALSE(take.s.try_acquire_for(1ns));
  }
  for (int k = 0; k < 3; ++k) EXPECT_TRUE(take.s.try_acquire());
  EXPECT_FALSE(take.s.try_acquire());
  take.s.release(3);
  EXPECT_EQ(take.s.value(), 3U);
}

TEST(process_semaphores, refuse_what_is_too_much) {
  EXPECT_THROW(cm::process_semaphore(2, 1), std::invalid_argument);
  EXPECT_THROW(cm::process_semaphore(0, cm::process_semaphore::max() + 1), std::invalid_argument);
  EXPECT_THROW(cm::process_semaphore(-1), std::invalid_argument);
  const cm::process_semaphore s(1, 2);
  s.release();
  EXPECT_THROW(s.release(), std::system_error);
}

struct announce {
  cm::process_mutex m;
  cm::process_condition changed;
  cm::shared_value<int> stage{0};
  void operator()(int n) const {
    const std::lock_guard held(m);
    stage.store(n);
    changed.notify_all();
  }
};

TEST(process_conditions, wake_who_waits_in_another_process) {
  const announce it;
  cm::process_pool pool(1);
  std::unique_lock held(it.m);
  auto done = pool.submit(it, 5);
  it.changed.wait(held, [&] { return it.stage.load() == 5; });
  EXPECT_TRUE(it.changed.wait_for(held, 1h, [&] { return it.stage.load() == 5; }));
  EXPECT_FALSE(it.changed.wait_for(held, 1ns, [&] { return it.stage.load() == 6; }));
  EXPECT_EQ(it.changed.wait_for(held, 1ns), std::cv_status::timeout);
  EXPECT_EQ(it.changed.wait_until(held, std::chrono::steady_clock::now()), std::cv_status::timeout);
  held.unlock();
  EXPECT_THROW(it.changed.wait(held), std::logic_error);
  done.get();
}

TEST(process_events, are_waited_for) {
  const cm::process_event ready;
  EXPECT_FALSE(ready.wait_for(1ns));
  EXPECT_FALSE(ready.wait_until(std::chrono::steady_clock::now()));
  cm::process_pool pool(1);
  auto done = pool.submit([](const cm::process_event& e) { e.set(); }, ready);
  ready.wait();
  EXPECT_TRUE(ready.is_set());
  ready.clear();
  EXPECT_FALSE(ready.is_set());
  done.get();
}

TEST(process_barriers, let_all_go_or_none) {
  EXPECT_THROW(cm::process_barrier(0), std::invalid_argument);
  EXPECT_THROW(cm::process_barrier(65537), std::invalid_argument);
  const cm::process_barrier both(2);
  EXPECT_EQ(both.parties(), 2U);
  cm::process_pool pool(1);
  auto other = pool.submit([](const cm::process_barrier& b) { return b.arrive_and_wait(); }, both);
  const std::size_t mine = both.arrive_and_wait();
  EXPECT_EQ(mine + other.get(), 1U);
  EXPECT_EQ(both.waiting(), 0U);
  EXPECT_THROW(both.arrive_and_wait_for(1ns), cm::broken_barrier);
  EXPECT_TRUE(both.broken());
  both.reset();
  EXPECT_FALSE(both.broken());
  both.abort();
  EXPECT_THROW(both.arrive_and_wait(), cm::broken_barrier);
}

struct count_all {
  cm::shared_value<long> small;
  cm::shared_value<record> large;
  void operator()(int n) const {
    small.update([](long& it) { ++it; });
    large.update([&](record& it) { it.counts.at(static_cast<std::size_t>(n) % 5) += n; });
  }
};

TEST(shared_values, change_in_workers) {
  const count_all all;
  EXPECT_TRUE(cm::parallel_map(all, numbers(500), two).ok());
  EXPECT_EQ(all.small.load(), 500);
  const record seen = all.large.load();
  EXPECT_EQ(std::accumulate(seen.counts.begin(), seen.counts.end(), 0L), 124750);
}

TEST(shared_values, are_atomic_words_or_locked_records) {
  const cm::shared_value<double> d(1.5);
  EXPECT_EQ(d.exchange(2.5), 1.5);
  double expected = 1.5;
  EXPECT_FALSE(d.compare_exchange(expected, 9));
  EXPECT_EQ(expected, 2.5);
  EXPECT_TRUE(d.compare_exchange(expected, 9));
  EXPECT_EQ(d.update([](double& v) { v += 1; }), 9);
  EXPECT_EQ(d.load(), 10);
  const cm::shared_value<record> r(record{{1, 2, 3, 4, 5}});
  EXPECT_EQ(r.load().counts[4], 5);
  r.store(record{});
  EXPECT_EQ(r.load().counts[4], 0);
}

struct die_while_writing {
  cm::shared_value<record> value;
  void operator()(int) const {
    value.update([](record&) { ::kill(::getpid(), SIGKILL); });
  }
};

TEST(shared_values, tell_once_of_a_writer_that_died) {
  const die_while_writing it;
  EXPECT_FALSE(cm::parallel_map(it, numbers(1), two).ok());
  EXPECT_THROW((void)it.value.load(), cm::owner_died);
  EXPECT_EQ(it.value.load().counts[0], 0);
}

TEST(shared_values, records_of_another_size_are_refused) {
  const cm::shared_value<int> small(1);
  cm::writer out;
  cm::codec<cm::shared_value<int>>::write(out, small);
  cm::reader in(out.view());
  EXPECT_THROW((void)cm::codec<cm::shared_value<record>>::read(in), cm::payload_error);
}

}  // namespace
