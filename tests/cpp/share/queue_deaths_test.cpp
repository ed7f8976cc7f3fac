// Every participant is killed at every step of what it does, in turn and at random; an item is whole or absent, comes
// once, and only what a dying process had just taken is lost.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "leak_check.hpp"
#include "platform/clock.hpp"
#include "platform/fault.hpp"
#include "queue_world.hpp"

namespace {

namespace cm = centimane;
namespace fault = cm::platform::fault;
using cm::share::queue_core;
using cm::share::queue_end;
using cm::test::child;
using cm::test::ended_well;
using cm::test::get_text;
using cm::test::put_text;
using cm::test::queue_world;
using cm::test::status_of;

class queue_deaths_test : public cm::test::leak_check {};

bool killed(pid_t pid) {
  const int status = status_of(pid);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/// A child that dies the `nth` time it comes to that point.
pid_t victim(const char* point, std::uint64_t nth, const std::function<bool()>& what) {
  return child([&] {
    fault::point* there = fault::find(point);
    if (there == nullptr) return true;
    there->arm(nth, fault::action::kill);
    return what();
  });
}

std::vector<std::string> drain(queue_core& queue) {
  std::vector<std::string> all;
  while (auto item = get_text(queue)) all.push_back(*item);
  return all;
}

// Items of 40 bytes in a ring of 256: they wrap, with gaps.
std::string item(const char* who, int k) { return std::string(who) + std::to_string(k) + std::string(30, '.'); }

TEST_F(queue_deaths_test, a_producer_at_each_step) {
  const struct {
    const char* point;
    bool in;  ///< is the item that it dies at in the queue?
  } steps[]{{"share.queue.put.locked", false},
            {"share.queue.put.begun", false},
            {"share.queue.put.copied", false},
            {"share.queue.put.committed", true},
            {"share.queue.put.unlocked", true}};
  for (const auto& step : steps) {
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      queue_world w(256);
      ASSERT_TRUE(killed(victim(step.point, nth, [&] {
        for (int k = 0; k < 5; ++k) static_cast<void>(put_text(w.queue, item("v", k)));
        return true;
      }))) << step.point;
      const int there = static_cast<int>(nth) - (step.in ? 0 : 1);
      std::vector<std::string> expected;
      for (int k = 0; k < there; ++k) expected.push_back(item("v", k));
      EXPECT_EQ(w.queue.size(), expected.size()) << step.point;
      EXPECT_EQ(put_text(w.queue, item("a", 0)), queue_end::done);
      expected.push_back(item("a", 0));
      EXPECT_EQ(drain(w.queue), expected) << step.point << ' ' << nth;
      // Others go on, all round the ring.
      for (int k = 0; k < 20; ++k) {
        ASSERT_EQ(put_text(w.queue, item("b", k)), queue_end::done);
        ASSERT_EQ(get_text(w.queue), item("b", k));
      }
    }
  }
}

TEST_F(queue_deaths_test, a_consumer_at_each_step) {
  const struct {
    const char* point;
    bool out;
  } steps[]{{"share.queue.get.locked", false},
            {"share.queue.get.copied", false},
            {"share.queue.get.noted", false},
            {"share.queue.get.committed", true},
            {"share.queue.get.unlocked", true}};
  for (const auto& step : steps) {
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      queue_world w(512, {.joinable = true});
      for (int k = 0; k < 5; ++k) ASSERT_EQ(put_text(w.queue, item("a", k)), queue_end::done);
      ASSERT_TRUE(killed(victim(step.point, nth, [&] {
        for (int k = 0; k < 5; ++k) {
          if (get_text(w.queue) != item("a", k)) return false;
        }
        return true;
      }))) << step.point;
      const int gone = static_cast<int>(nth) - (step.out ? 0 : 1);
      std::vector<std::string> expected;
      for (int k = gone; k < 5; ++k) expected.push_back(item("a", k));
      EXPECT_EQ(w.queue.size(), expected.size()) << step.point << ' ' << nth;
      EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), static_cast<std::uint32_t>(gone)) << step.point;
      EXPECT_EQ(drain(w.queue), expected) << step.point << ' ' << nth;
      for (std::size_t k = 0; k < expected.size(); ++k) EXPECT_TRUE(w.queue.members().task_done());
      EXPECT_FALSE(w.queue.members().unfinished());
      for (int k = 0; k < 20; ++k) {
        ASSERT_EQ(put_text(w.queue, item("b", k)), queue_end::done);
        ASSERT_EQ(get_text(w.queue), item("b", k));
      }
    }
  }
}

TEST_F(queue_deaths_test, who_does_a_task_at_each_step) {
  for (const char* point : {"share.queue.done.counted", "share.queue.done.noted"}) {
    queue_world w(512, {.joinable = true});
    for (int k = 0; k < 3; ++k) ASSERT_EQ(put_text(w.queue, item("a", k)), queue_end::done);
    ASSERT_TRUE(killed(victim(point, 1, [&] {
      static_cast<void>(get_text(w.queue));
      static_cast<void>(get_text(w.queue));
      return w.queue.members().task_done();
    })));
    EXPECT_EQ(get_text(w.queue), item("a", 2));
    EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 1U) << point;
    EXPECT_TRUE(w.queue.members().task_done());
    EXPECT_FALSE(w.queue.members().unfinished()) << point;
  }
}

TEST_F(queue_deaths_test, a_ring_that_gives_its_pages_back_at_each_step) {
  const std::size_t ring = std::size_t{32} << 20;
  const std::string large(600 << 10, 'x');
  for (std::uint64_t nth = 1; nth <= 2; ++nth) {
    queue_world w(ring);
    ASSERT_TRUE(killed(victim("share.queue.get.dropped", nth, [&] {
      for (;;) {  // never empty: it walks through the ring
        while (w.queue.size() < 3) static_cast<void>(put_text(w.queue, large));
        static_cast<void>(get_text(w.queue));
      }
      return true;
    })));
    const auto left = drain(w.queue);
    EXPECT_LE(left.size(), 3U);
    for (const auto& it : left) EXPECT_EQ(it, large);
    for (int k = 0; k < 150; ++k) {
      ASSERT_EQ(put_text(w.queue, large), queue_end::done);
      ASSERT_EQ(get_text(w.queue), large);
    }
  }
}

TEST_F(queue_deaths_test, a_sleeper_that_is_killed_takes_no_wake_up_along) {
  queue_world w(1024);
  for (int round = 0; round < 5; ++round) {
    const pid_t asleep = child([&] { return cm::test::get_number(w.queue).who == 0; });
    const pid_t other =
        child([&] { return cm::test::get_number(w.queue, cm::platform::now() + 100'000'000).who == 7; });
    ::kill(asleep, SIGKILL);
    ASSERT_TRUE(killed(asleep));
    cm::test::put_number(w.queue, 7, 0, 0);
    EXPECT_TRUE(ended_well(other));
  }
}

/// Producers and consumers are killed at any moment, until `kills` were.
void chaos(unsigned kills, unsigned seed) {
  constexpr std::uint32_t most = 1 << 20;
  queue_world w(2048, {.max_items = 30});
  struct board {
    std::atomic<std::uint32_t> next;                  ///< the number of the next item, of whatever producer
    std::array<std::atomic<std::uint8_t>, most> put;  ///< 1: its put has begun; 2: it has returned
    std::array<std::atomic<std::uint8_t>, most> got;
  };
  const auto memory = cm::platform::mapping::shared_with_children(sizeof(board));
  auto& seen = *reinterpret_cast<board*>(memory.data());
  const auto produce = [&] {
    return child([&]() -> bool {
      for (;;) {
        const std::uint32_t k = seen.next.fetch_add(1);
        while (k >= most) ::pause();  // until it is killed
        seen.put[k] = 1;
        cm::test::put_number(w.queue, 0, k, k % 150);
        seen.put[k] = 2;
      }
    });
  };
  const auto consume = [&] {
    return child([&] {
      for (;;) {
        const auto it = cm::test::get_number(w.queue, cm::platform::now() + 100'000'000);
        if (it.count >= most) return false;
        if (seen.got[it.count].fetch_add(1) != 0) return false;
      }
    });
  };
  std::mt19937 random(seed);
  std::vector<pid_t> producers{produce(), produce()}, consumers{consume(), consume()};
  unsigned dead_consumers = 0;
  for (unsigned k = 0; k < kills && seen.next < most - 100; ++k) {
    // As long as the work of so many items takes, at random.
    const std::uint32_t until = std::min(most - 100, seen.next.load() + static_cast<std::uint32_t>(random() % 60));
    while (seen.next < until) ::sched_yield();
    const bool consumer = random() % 2 == 0;
    pid_t& one = (consumer ? consumers : producers)[random() % 2];
    ::kill(one, SIGKILL);
    ASSERT_TRUE(killed(one)) << "it had ended by itself: something came twice, or damaged";
    dead_consumers += consumer ? 1 : 0;
    one = consumer ? consume() : produce();
  }
  for (const pid_t one : producers) ::kill(one, SIGKILL);
  for (const pid_t one : producers) ASSERT_TRUE(killed(one));
  for (const pid_t one : consumers) ::kill(one, SIGKILL);
  for (const pid_t one : consumers) ASSERT_TRUE(killed(one));
  dead_consumers += 2;
  while (w.queue.size() != 0) {
    const auto it = cm::test::get_number(w.queue);
    ASSERT_LT(it.count, most);
    ASSERT_EQ(seen.got[it.count].fetch_add(1), 0) << it.count;
  }
  unsigned lost = 0;
  for (std::uint32_t k = 0; k < std::min<std::uint32_t>(seen.next, most); ++k) {
    const unsigned got = seen.got[k], put = seen.put[k];
    ASSERT_LE(got, 1U) << k;
    ASSERT_GE(put, got == 1 ? 1U : 0U) << k;
    lost += put == 2 && got == 0 ? 1 : 0;
  }
  EXPECT_LE(lost, dead_consumers) << "each may take one item along";
}

TEST_F(queue_deaths_test, at_random) {
  // CENTIMANE_QUEUE_KILLS=10000 for a night.
  const char* wanted = std::getenv("CENTIMANE_QUEUE_KILLS");
  const unsigned kills = wanted == nullptr ? 60 : static_cast<unsigned>(std::strtoul(wanted, nullptr, 10));
  for (unsigned seed = 1; seed * 200 <= std::max(kills, 200U); ++seed) chaos(std::min(kills, 200U), seed);
}

}  // namespace
