// The queue's core over plain shared memory: order, bounds, tiny rings that wrap, many producers and consumers, and who
// holds which task.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "centimane/errors.hpp"
#include "leak_check.hpp"
#include "queue_world.hpp"
#include "share/shared_queue.hpp"

namespace {

namespace cm = centimane;
using namespace cm::share;  // NOLINT: what is tested
using cm::test::child;
using cm::test::ended_well;
using cm::test::get_text;
using cm::test::put_text;
using cm::test::queue_world;

class queue_test : public cm::test::leak_check {};

std::string text(std::size_t n, unsigned seed) {
  std::string it(n, '\0');
  for (std::size_t k = 0; k < n; ++k) it[k] = static_cast<char>('a' + (seed + k) % 26);
  return it;
}

TEST_F(queue_test, gives_what_it_was_given_in_order) {
  queue_world w(4096);
  EXPECT_EQ(w.queue.size(), 0U);
  EXPECT_EQ(put_text(w.queue, "one"), queue_end::done);
  EXPECT_EQ(put_text(w.queue, ""), queue_end::done);
  EXPECT_EQ(put_text(w.queue, text(1000, 3)), queue_end::done);
  EXPECT_EQ(w.queue.size(), 3U);
  EXPECT_EQ(get_text(w.queue), "one");
  EXPECT_EQ(get_text(w.queue), "");
  EXPECT_EQ(get_text(w.queue), text(1000, 3));
  EXPECT_EQ(get_text(w.queue), std::nullopt);
}

TEST_F(queue_test, agrees_with_a_list_over_every_size_and_place) {
  for (const std::size_t ring : {64, 256, 1024, 8192}) {
    queue_world w(ring);
    std::deque<std::string> model;
    std::mt19937 random(static_cast<unsigned>(ring));
    for (int step = 0; step < 4000; ++step) {
      const std::size_t size = random() % (w.queue.largest() + 1) >> random() % 8;
      if (random() % 2 == 0) {
        const std::string item = text(size, static_cast<unsigned>(random()));
        const queue_end end = put_text(w.queue, item);
        if (end == queue_end::done)
          model.push_back(item);
        else
          ASSERT_FALSE(model.empty()) << "an item alone fits: " << size << " of " << w.queue.largest();
      } else {
        const auto item = get_text(w.queue);
        ASSERT_EQ(item.has_value(), !model.empty());
        if (!item) continue;
        ASSERT_EQ(*item, model.front());
        model.pop_front();
      }
      ASSERT_EQ(w.queue.size(), model.size());
    }
  }
}

TEST_F(queue_test, is_bounded_by_count_and_by_bytes) {
  queue_world counted(4096, {.max_items = 2});
  EXPECT_FALSE(counted.queue.full());
  EXPECT_EQ(put_text(counted.queue, "a"), queue_end::done);
  EXPECT_EQ(put_text(counted.queue, "b"), queue_end::done);
  EXPECT_TRUE(counted.queue.full());
  EXPECT_EQ(put_text(counted.queue, "c"), queue_end::later);
  EXPECT_EQ(get_text(counted.queue), "a");
  EXPECT_FALSE(counted.queue.full());
  EXPECT_EQ(put_text(counted.queue, "c"), queue_end::done);

  queue_world weighed(4096, {.max_bytes = 256});
  EXPECT_EQ(put_text(weighed.queue, text(1000, 0)), queue_end::done) << "one alone may be larger";
  EXPECT_EQ(put_text(weighed.queue, "x"), queue_end::later);
  EXPECT_EQ(get_text(weighed.queue), text(1000, 0));
  for (int k = 0; k < 16; ++k) EXPECT_EQ(put_text(weighed.queue, "12345678"), queue_end::done);
  EXPECT_EQ(put_text(weighed.queue, "1"), queue_end::later);
  EXPECT_FALSE(weighed.queue.full()) << "full() is about the count";
}

TEST_F(queue_test, refuses_what_can_never_fit) {
  queue_world w(1024);
  EXPECT_THROW(static_cast<void>(put_text(w.queue, text(1017, 0))), cm::payload_error);
  EXPECT_EQ(put_text(w.queue, text(1016, 0)), queue_end::done);
  EXPECT_EQ(get_text(w.queue), text(1016, 0));
}

TEST_F(queue_test, what_throws_while_an_item_is_taken_leaves_it) {
  queue_world w(1024);
  static_cast<void>(put_text(w.queue, "kept"));
  EXPECT_THROW(w.queue.get([](queue_core::part) { throw std::bad_alloc(); }, 0), std::bad_alloc);
  EXPECT_EQ(w.queue.get([](queue_core::part) {}, 0, 3), queue_end::large);
  EXPECT_EQ(get_text(w.queue), "kept");
}

TEST_F(queue_test, closed_for_everybody_gives_what_is_left) {
  queue_world w(1024);
  static_cast<void>(put_text(w.queue, "last"));
  w.queue.close();
  EXPECT_EQ(put_text(w.queue, "more"), queue_end::closed);
  EXPECT_EQ(get_text(w.queue), "last");
  EXPECT_EQ(w.queue.get([](queue_core::part) {}, 0), queue_end::closed);
}

TEST_F(queue_test, damaged_memory_is_told) {
  queue_world w(1024);
  static_cast<void>(put_text(w.queue, "x"));
  const std::uint64_t far = 1 << 20;
  std::memcpy(w.memory.data() + ring_offset, &far, sizeof far);
  EXPECT_THROW(static_cast<void>(get_text(w.queue)), cm::payload_error);
  const std::uint64_t gap = record::gap(0);
  std::memcpy(w.memory.data() + ring_offset, &gap, sizeof gap);
  EXPECT_THROW(static_cast<void>(get_text(w.queue)), cm::payload_error);
  std::memset(w.memory.data(), 0, 8);
  EXPECT_THROW(queue_core(std::span(w.memory.data(), w.memory.size())), cm::payload_error);
}

/// `producers` and `consumers` are forked; each producer's items come in order to each consumer, and each comes once.
void crowd(std::size_t ring, queue_rules rules, unsigned producers, unsigned consumers, unsigned each) {
  queue_world w(ring, rules);
  auto counts = cm::platform::mapping::shared_with_children(sizeof(std::atomic<std::uint32_t>) * producers * each);
  auto* got = reinterpret_cast<std::atomic<std::uint32_t>*>(counts.data());
  std::vector<pid_t> all;
  for (unsigned p = 0; p < producers; ++p) {
    all.push_back(child([&] {
      for (unsigned k = 0; k < each; ++k) cm::test::put_number(w.queue, p, k, (p + k) % 40);
      return true;
    }));
  }
  for (unsigned c = 0; c < consumers; ++c) {
    all.push_back(child([&] {
      std::vector<std::int64_t> last(producers, -1);
      for (;;) {
        const cm::test::number it = cm::test::get_number(w.queue);
        if (it.who == UINT32_MAX) return true;
        if (it.who >= producers || it.count >= each || std::int64_t{it.count} <= last[it.who]) return false;
        last[it.who] = it.count;
        got[it.who * each + it.count].fetch_add(1);
      }
    }));
  }
  for (unsigned p = 0; p < producers; ++p) EXPECT_TRUE(ended_well(all[p]));
  for (unsigned c = 0; c < consumers; ++c) cm::test::put_number(w.queue, UINT32_MAX, 0, 0);
  for (unsigned c = 0; c < consumers; ++c) EXPECT_TRUE(ended_well(all[producers + c]));
  for (unsigned k = 0; k < producers * each; ++k) ASSERT_EQ(got[k].load(), 1U) << k;
  EXPECT_EQ(w.queue.size(), 0U);
}

TEST_F(queue_test, many_processes_lose_and_double_nothing) {
  crowd(256, {}, 3, 3, 2000);
  crowd(4096, {.max_items = 1}, 2, 2, 500);
  crowd(1 << 16, {.max_items = 7, .max_bytes = 1024}, 4, 1, 1000);
  crowd(1 << 20, {}, 1, 4, 5000);
}

TEST_F(queue_test, a_waiter_is_woken_by_what_it_waits_for) {
  queue_world w(1024, {.max_items = 1});
  const pid_t echo = child([&] {
    for (int k = 0; k < 300; ++k) {
      if (cm::test::get_number(w.queue).count != static_cast<std::uint32_t>(k)) return false;
    }
    return true;
  });
  for (std::uint32_t k = 0; k < 300; ++k) cm::test::put_number(w.queue, 0, k, 0);
  EXPECT_TRUE(ended_well(echo));
}

TEST_F(queue_test, a_task_is_done_once_and_a_dead_holder_is_told_once) {
  queue_world w(4096, {.joinable = true});
  EXPECT_FALSE(w.queue.members().task_done());
  for (const char* it : {"a", "b", "c"}) static_cast<void>(put_text(w.queue, it));
  EXPECT_TRUE(w.queue.members().unfinished());
  EXPECT_TRUE(ended_well(
      child([&] { return get_text(w.queue) == "a" && get_text(w.queue) == "b" && w.queue.members().task_done(); })));
  // Nobody holds c yet; of a and b one is done, by a process that has ended.
  EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 1U);
  EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 0U);
  EXPECT_EQ(get_text(w.queue), "c");
  EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 0U) << "it is ours, and we live";
  EXPECT_TRUE(w.queue.members().task_done());
  EXPECT_FALSE(w.queue.members().unfinished());
  EXPECT_FALSE(w.queue.members().task_done());
}

TEST_F(queue_test, a_task_may_be_done_by_another_process) {
  queue_world w(4096, {.joinable = true});
  static_cast<void>(put_text(w.queue, "a"));
  static_cast<void>(put_text(w.queue, "b"));
  EXPECT_EQ(get_text(w.queue), "a");
  EXPECT_TRUE(ended_well(child([&] { return w.queue.members().task_done(); })));
  EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 0U);
  EXPECT_TRUE(ended_well(child([&] { return get_text(w.queue) == "b"; })));
  EXPECT_TRUE(w.queue.members().task_done()) << "b, for the one that has ended";
  EXPECT_FALSE(w.queue.members().unfinished());
  EXPECT_EQ(w.queue.members().count_out_lost(INT64_MAX), 0U);
}

TEST_F(queue_test, members_are_told_apart) {
  queue_world w(1024);
  EXPECT_FALSE(w.queue.members().alone()) << "there never was another";
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t other = child([&] {
    static_cast<void>(put_text(w.queue, "here"));
    char c = 0;
    return ::read(go[0], &c, 1) == 1;
  });
  while (w.queue.size() == 0) w.queue.wait_for_items(INT64_MAX);
  EXPECT_FALSE(w.queue.members().alone());
  EXPECT_EQ(::write(go[1], "x", 1), 1);
  EXPECT_TRUE(ended_well(other));
  EXPECT_TRUE(w.queue.members().alone());
  ::close(go[0]);
  ::close(go[1]);
}

TEST_F(queue_test, in_a_segment_it_is_one_object_a_process_and_opens_elsewhere) {
  const auto queue = shared_queue::create({.max_items = 5});
  const handle sent = queue->hand_out();
  EXPECT_EQ(shared_queue::open(sent), queue);
  const handle again = queue->hand_out();
  EXPECT_TRUE(ended_well(child([&] {
    const auto there = shared_queue::open(again);
    return there->core().max_items() == 5 && put_text(there->core(), "from there") == queue_end::done;
  })));
  EXPECT_EQ(get_text(queue->core()), "from there");
  EXPECT_TRUE(queue->deserted(true));
  queue->note_put();
  EXPECT_TRUE(queue->deserted(true)) << "nobody here could put: this process has one thread";
}

TEST_F(queue_test, pages_that_were_read_go_back) {
  const auto queue = shared_queue::create({});
  const std::string item = text(1 << 20, 0);
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    std::size_t size = 0, all = 0, shared = 0;
    status >> size >> all >> shared;
    return shared * 4096;
  };
  const std::size_t before = resident();
  // A queue that is never empty walks through its ring.
  for (int k = 0; k < 3; ++k) ASSERT_EQ(put_text(queue->core(), item), queue_end::done);
  for (int k = 0; k < 100; ++k) {
    ASSERT_EQ(put_text(queue->core(), item), queue_end::done);
    ASSERT_TRUE(get_text(queue->core()).has_value());
  }
  EXPECT_LT(resident() - before, std::size_t{24} << 20);
}

TEST_F(queue_test, threads_of_one_process_may_use_it) {
  queue_world w(512);
  std::vector<std::thread> all;
  std::atomic<std::uint64_t> sum{0};
  for (unsigned p = 0; p < 3; ++p) {
    all.emplace_back([&, p] {
      for (std::uint32_t k = 1; k <= 1000; ++k) cm::test::put_number(w.queue, p, k, 0);
    });
    all.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) sum += cm::test::get_number(w.queue).count;
    });
  }
  for (auto& one : all) one.join();
  EXPECT_EQ(sum.load(), 3U * 1000 * 1001 / 2);
}

}  // namespace

int main(int argc, char** argv) {
  centimane::test::mark_processes(argv);
  return centimane::test::run_all(argc, argv);
}
