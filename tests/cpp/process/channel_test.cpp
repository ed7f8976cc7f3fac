// The channel in one process and one thread: both ends over one mapping, each rule of the protocol by itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "leak_check.hpp"
#include "process/channel.hpp"
#include "process/channel_worker.hpp"

namespace centimane::engine {
namespace {

using bytes = std::vector<std::byte>;
using next = channel_worker::next;

bytes text_bytes(std::string_view text) {
  bytes out(text.size());
  if (!text.empty()) std::memcpy(out.data(), text.data(), text.size());
  return out;
}

std::string as_text(std::span<const std::byte> from) {
  return {reinterpret_cast<const char*>(from.data()), from.size()};
}

/// Both ends, and what came back.
struct both {
  explicit both(const channel_shape& shape = {})
      : driver(shape), worker(driver.memory(), ring.page(), ring.ring_fd()) {}

  bool append(std::string_view body, std::uint64_t definition = 7) {
    return driver.append({0, 0, definition, 1, 0}, text_bytes(body));
  }
  void send(std::string_view body) {
    ASSERT_TRUE(append(body));
    driver.publish();
  }
  /// The worker takes a task and answers with its body in reverse.
  void work() {
    ASSERT_EQ(worker.claim(), next::task);
    answer();
  }
  void answer() {
    worker.open();
    std::string body = as_text(worker.body());
    worker.running();
    std::reverse(body.begin(), body.end());
    worker.writing();
    worker.publish({0, 1, 0, 0}, text_bytes(body));
  }
  std::vector<std::string> drained() {
    std::vector<std::string> out;
    sane = driver.drain([&](const channel::result& r) {
      EXPECT_EQ(r.number, number++);
      out.push_back(as_text(r.body));
    });
    return out;
  }
  bell ring;
  channel driver;
  channel_worker worker;
  ordinal number = 0;
  bool sane = true;
};

layout::result_words& worker_words(channel& c) { return *reinterpret_cast<layout::result_words*>(c.memory().result); }

channel_shape tiny() { return {4, 16, 1024, 1024}; }

TEST(channel, carries_tasks_and_results_in_order) {
  both c;
  for (const char* body : {"ab", "", "cde"}) ASSERT_TRUE(c.append(body, 42));
  EXPECT_EQ(c.worker.claim(), next::dry) << "nothing may begin before publish";
  c.driver.publish();
  EXPECT_EQ(c.driver.held(), 3u);
  ASSERT_EQ(c.worker.claim(), next::task);
  EXPECT_EQ(c.worker.header().definition, 42u);
  EXPECT_EQ(c.worker.header().length, 2u);
  EXPECT_EQ(c.worker.header().attempt, 1u);
  EXPECT_FALSE(c.driver.readable());
  c.answer();
  EXPECT_TRUE(c.driver.readable());
  c.work();
  c.work();
  EXPECT_EQ(c.worker.claim(), next::dry);
  EXPECT_EQ(c.drained(), (std::vector<std::string>{"ba", "", "edc"}));
  EXPECT_TRUE(c.sane);
  EXPECT_EQ(c.driver.held(), 0u);
  EXPECT_FALSE(c.driver.readable());
}

TEST(channel, carries_what_the_worker_says_of_a_result) {
  both c;
  c.send("x");
  ASSERT_EQ(c.worker.claim(), next::task);
  c.worker.open();
  c.worker.want_recycle();
  c.worker.publish({1, 0, 1, 12345}, text_bytes("token"));
  EXPECT_TRUE(c.driver.wants_recycle());
  EXPECT_TRUE(c.driver.drain([](const channel::result& r) {
    EXPECT_EQ(r.number, 0u);
    EXPECT_EQ(as_text(r.body), "token");
    EXPECT_EQ(r.header.kind, 1);
    EXPECT_EQ(r.header.ok, 0);
    EXPECT_EQ(r.header.retryable, 1);
    EXPECT_EQ(r.header.server_wait, 12345);
  }));
}

TEST(channel, takes_back_from_the_tail_what_was_not_claimed) {
  both c;
  for (const char* body : {"a", "b", "c", "d"}) ASSERT_TRUE(c.append(body));
  c.driver.publish();
  ASSERT_EQ(c.worker.claim(), next::task);
  EXPECT_EQ(c.driver.take_back(2), 2u);
  EXPECT_EQ(c.driver.held(), 2u);
  c.send("e");
  c.answer();
  c.work();
  c.work();
  EXPECT_EQ(c.worker.claim(), next::dry);
  EXPECT_EQ(c.drained(), (std::vector<std::string>{"a", "b", "e"}));
  EXPECT_EQ(c.driver.take_back(9), 0u);
}

TEST(channel, takes_back_all_but_the_claimed_task) {
  both c;
  for (int k = 0; k < 3; ++k) {
    ASSERT_TRUE(c.append("x"));
    ASSERT_TRUE(c.append("y"));
    c.driver.publish();
  }
  ASSERT_EQ(c.worker.claim(), next::task);
  EXPECT_EQ(c.driver.take_back(100), 5u);
  EXPECT_EQ(c.driver.held(), 1u);
  c.answer();
  EXPECT_EQ(c.worker.claim(), next::dry);
  EXPECT_EQ(c.drained(), std::vector<std::string>{"x"});
}

TEST(channel, takes_nothing_back_while_a_bundle_is_being_written) {
  both c;
  c.send("a");
  ASSERT_TRUE(c.append("b"));
  EXPECT_EQ(c.driver.take_back(1), 0u);
  c.driver.publish();
  EXPECT_EQ(c.driver.take_back(5), 2u);
}

TEST(channel, refuses_when_its_slots_are_used_up_and_keeps_the_newest_finished_one) {
  both c(tiny());
  for (int k = 0; k < 4; ++k) c.send("x");
  EXPECT_FALSE(c.append("y"));
  c.work();
  EXPECT_EQ(c.drained().size(), 1u);
  EXPECT_FALSE(c.append("y")) << "the worker still stands on the slot of the finished bundle";
  c.work();
  EXPECT_EQ(c.drained().size(), 1u);
  EXPECT_TRUE(c.append("y"));
}

TEST(channel, refuses_when_its_bytes_or_its_ledger_are_full) {
  both c(tiny());
  std::size_t n = 0;
  while (c.append(std::string(100, 'x'))) ++n;
  EXPECT_EQ(n, 9u);
  both d({64, 16, 1024, 1024});
  for (n = 0; d.append(""); ++n) {
  }
  EXPECT_EQ(n, 16u);
  EXPECT_THROW(d.append(std::string(1024, 'x')), std::length_error);
}

/// Tasks in a row, encoded as a ring holds them.
struct batch {
  void add(std::string_view body) {
    const std::size_t begin = bytes.size();
    const auto word = static_cast<std::uint32_t>(body.size());
    bytes.resize(begin + layout::task_record(body.size()));
    std::memcpy(bytes.data() + begin, &word, sizeof word);
    std::memcpy(bytes.data() + begin + sizeof word, body.data(), body.size());
    ends.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
  [[nodiscard]] task_run from(std::size_t k) const {
    return {bytes.data(), k == 0 ? 0 : ends[k - 1], std::span(ends).subspan(k)};
  }
  std::vector<std::byte> bytes;
  std::vector<std::uint32_t> ends;
};

TEST(channel, takes_a_run_in_as_many_pieces_as_there_is_room) {
  for (std::size_t lead = 0; lead < 1024; lead += 12) {
    both c(tiny());
    if (lead != 0) {  // the ring stands anywhere
      c.send(std::string(std::min(lead, c.driver.largest_here()), 'l'));
      c.work();
      c.drained();
    }
    batch all;
    for (int k = 0; k < 40; ++k)
      all.add(std::string(static_cast<std::size_t>(k * 7 % 90), static_cast<char>('a' + k % 26)));
    std::vector<std::string> came;
    std::size_t sent = 0;
    while (came.size() < 40) {
      while (sent < 40) {
        const std::uint32_t n = c.driver.append({0, 0, sent + 1, 3, 0}, all.from(sent));
        if (n == 0) break;
        sent += n;
        ASSERT_LE(sent, 40u);
      }
      c.driver.publish();
      ASSERT_LE(c.driver.held(), 16u);
      while (c.worker.claim() == next::task) {
        ASSERT_EQ(c.worker.header().attempt, 3u);
        ASSERT_LE(c.worker.header().definition, came.size() + 17) << "the header of another bundle";
        c.answer();
      }
      for (std::string& body : c.drained()) came.push_back(std::move(body));
      ASSERT_TRUE(c.sane);
    }
    for (std::size_t k = 0; k < 40; ++k) ASSERT_EQ(came[k], std::string(k * 7 % 90, static_cast<char>('a' + k % 26)));
  }
}

TEST(channel, tasks_of_one_publish_keep_their_own_headers) {
  both c;
  ASSERT_TRUE(c.append("a", 1));
  ASSERT_TRUE(c.append("b", 1));
  ASSERT_TRUE(c.append("c", 2));
  batch two;
  two.add("d");
  two.add("e");
  ASSERT_EQ(c.driver.append({0, 5, 2, 4, 0}, two.from(0)), 2u);
  c.driver.publish();
  const std::uint64_t definitions[] = {1, 1, 2, 2, 2};
  const std::uint32_t attempts[] = {1, 1, 1, 4, 4}, controls[] = {0, 0, 0, 5, 5};
  for (int k = 0; k < 5; ++k) {
    ASSERT_EQ(c.worker.claim(), next::task);
    EXPECT_EQ(c.worker.header().definition, definitions[k]);
    EXPECT_EQ(c.worker.header().attempt, attempts[k]);
    EXPECT_EQ(c.worker.header().control, controls[k]);
    c.answer();
  }
  EXPECT_EQ(c.drained(), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
}

TEST(channel, a_run_that_was_taken_back_in_part_is_followed_by_another) {
  both c(tiny());
  batch run;
  for (const char* body : {"0", "1", "2", "3", "4", "5"}) run.add(body);
  ASSERT_EQ(c.driver.append({0, 0, 1, 1, 0}, run.from(0)), 6u);
  c.driver.publish();
  c.work();
  EXPECT_EQ(c.driver.take_back(3), 3u);
  ASSERT_EQ(c.driver.append({0, 0, 9, 1, 0}, run.from(4)), 2u);
  c.driver.publish();
  c.work();
  c.work();
  ASSERT_EQ(c.worker.claim(), next::task);
  EXPECT_EQ(c.worker.header().definition, 9u);
  c.answer();
  c.work();
  EXPECT_EQ(c.drained(), (std::vector<std::string>{"0", "1", "2", "4", "5"}));
}

TEST(channel, goes_on_behind_the_last_number) {
  both c({4, 16, 1024, 1024, 0u - 1000});
  c.number = 0u - 1000;
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const std::string body(random() % 60, static_cast<char>('a' + round % 26));
    c.send(body);
    c.send("taken back");
    c.work();
    ASSERT_EQ(c.driver.take_back(1), 1u);
    ASSERT_EQ(c.drained(), std::vector<std::string>{body});
    const channel_state s = c.driver.look();
    ASSERT_TRUE(s.sane && !s.claimed && !s.begun);
  }
  EXPECT_EQ(c.number, 1000u);
}

TEST(channel, fits_its_largest_body_wherever_the_ring_stands) {
  for (std::size_t lead = 0; lead < 1024; lead += 8) {
    both c({4, 16, 1024, 1024});
    const std::size_t largest = std::min(c.driver.largest_here(), c.worker.largest());
    c.send(std::string(lead % (largest + 1), 'l'));
    c.work();
    ASSERT_EQ(c.drained().size(), 1u);
    for (int k = 0; k < 5; ++k) {
      c.send(std::string(largest, 'x'));
      c.work();
      ASSERT_EQ(c.drained(), std::vector<std::string>{std::string(largest, 'x')}) << "lead " << lead;
    }
  }
}

TEST(channel, touches_few_pages_while_little_is_in_flight) {
  both c;
  for (int k = 0; k < 50000; ++k) {
    ASSERT_TRUE(c.append("some bytes of a task"));
    ASSERT_TRUE(c.append("and of another"));
    c.driver.publish();
    c.work();
    c.work();
    ASSERT_EQ(c.drained().size(), 2u);
  }
  const auto resident = [](std::byte* from, std::size_t size) {
    // Shared memory: what mincore reports is in the page cache, which is what was ever touched.
    std::vector<unsigned char> pages((size + 4095) / 4096);
    EXPECT_EQ(mincore(from, size, pages.data()), 0);
    return std::accumulate(pages.begin(), pages.end(), 0, [](int n, unsigned char p) { return n + (p & 1); });
  };
  // All of the slots, whose turn comes round, and a page of tasks.
  EXPECT_LE(resident(c.driver.memory().task, layout::task_segment({})), 6);
  EXPECT_LE(resident(c.driver.memory().result, layout::result_segment({})), 5);
}

// ---- stages and deaths

TEST(channel, tells_where_a_worker_is) {
  both c;
  c.driver.timed(true);
  c.send("a");
  c.send("b");
  channel_state s = c.driver.look();
  EXPECT_TRUE(s.sane && !s.claimed && !s.begun);
  const nanos before = platform::now();
  ASSERT_EQ(c.worker.claim(), next::task);
  s = c.driver.look();
  EXPECT_TRUE(s.sane && s.claimed && !s.begun);
  c.worker.open();
  s = c.driver.look();
  EXPECT_TRUE(s.sane && s.begun);
  EXPECT_EQ(s.at, phase::open);
  EXPECT_GE(s.since, before);
  EXPECT_LE(s.since, platform::now());
  c.worker.running();
  EXPECT_EQ(c.driver.look().at, phase::run);
  EXPECT_EQ(c.driver.look().since, s.since);
  c.worker.writing();
  EXPECT_EQ(c.driver.look().at, phase::write);
  c.worker.publish({}, {});
  EXPECT_EQ(c.drained().size(), 1u);
  s = c.driver.look();
  EXPECT_TRUE(s.sane && !s.claimed && !s.begun) << "the stage word still names the older task";
  ASSERT_EQ(c.worker.claim(), next::task);
  s = c.driver.look();
  EXPECT_TRUE(s.claimed && !s.begun);
}

TEST(channel, a_worker_cannot_move_its_own_deadline) {
  both c;
  c.driver.timed(true);
  c.send("a");
  ASSERT_EQ(c.worker.claim(), next::task);
  c.worker.open();
  worker_words(c.driver).since = INT64_MAX;
  const nanos first = c.driver.look().since;
  EXPECT_LE(first, platform::now());
  EXPECT_EQ(c.driver.look().since, first);
}

TEST(channel, a_soft_stop_meets_only_the_task_it_was_meant_for) {
  both c;
  c.send("a");
  c.send("b");
  ASSERT_EQ(c.worker.claim(), next::task);
  c.worker.open();
  EXPECT_FALSE(c.worker.stop_requested());
  c.driver.soft_stop();
  EXPECT_TRUE(c.worker.stop_requested());
  EXPECT_FALSE(c.worker.soft_stop_due()) << "user code has not begun";
  c.worker.running();
  EXPECT_TRUE(c.worker.soft_stop_due());
  c.worker.writing();
  EXPECT_FALSE(c.worker.soft_stop_due()) << "user code is over";
  c.worker.publish({}, {});
  ASSERT_EQ(c.worker.claim(), next::task);
  c.worker.open();
  c.worker.running();
  EXPECT_FALSE(c.worker.stop_requested());
  EXPECT_FALSE(c.worker.soft_stop_due());
}

TEST(channel, closing_ends_a_worker_after_what_it_was_sent) {
  both c;
  c.send("a");
  c.driver.closing();
  c.work();
  EXPECT_EQ(c.worker.claim(), next::closing);
  EXPECT_EQ(c.drained(), std::vector<std::string>{"a"});
}

// ---- waking

TEST(channel, a_worker_rings_from_the_named_task_on_once_a_sleep) {
  both c;
  const auto rung = [&] {
    char byte;
    return read(c.ring.listen_fd(), &byte, 1) == 1;
  };
  for (int k = 0; k < 5; ++k) c.send("x");
  c.driver.ring_from(3);
  c.ring.announce();
  EXPECT_FALSE(c.driver.due());
  c.work();
  c.work();
  EXPECT_FALSE(rung());
  EXPECT_FALSE(c.driver.due());
  c.work();
  EXPECT_TRUE(c.driver.due());
  EXPECT_TRUE(rung());
  c.work();
  EXPECT_FALSE(rung()) << "once a sleep";
  c.ring.awake();
  EXPECT_EQ(c.drained().size(), 4u);
  c.driver.ring_from(100);
  c.ring.announce();
  c.work();
  EXPECT_FALSE(rung());
  EXPECT_EQ(c.worker.claim(), next::dry);
  EXPECT_TRUE(rung()) << "whoever runs dry rings";
  c.ring.awake();
  EXPECT_FALSE(c.driver.due());
}

TEST(channel, wakes_a_worker_that_sleeps_for_tasks_and_for_room) {
  both c(tiny());
  std::thread worker([&] {
    for (;;) switch (c.worker.claim()) {
        case next::task:
          c.worker.open();
          c.worker.publish({}, text_bytes(std::string(200, 'r')));
          break;
        case next::dry:
          c.worker.sleep();
          break;
        case next::closing:
          return;
      }
  });
  std::uint32_t sent = 0;
  std::size_t got = 0;
  while (got < 20000) {
    while (sent < 20000 && c.append("x")) {
      c.driver.publish();
      ++sent;
    }
    c.driver.ring_from(c.driver.held());
    c.ring.announce();
    if (!c.driver.due()) c.ring.sleep(policy::never);
    c.ring.awake();
    got += c.drained().size();
    ASSERT_TRUE(c.sane);
  }
  c.driver.closing();
  worker.join();
}

// ---- the segments

TEST(channel, a_worker_cannot_write_tasks_nor_resize_anything) {
  channel c;
  const int task = c.files().task.get(), result = c.files().result.get();
  const std::size_t size = platform::memory_size(task);
  EXPECT_EQ(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, task, 0), MAP_FAILED);
  EXPECT_EQ(pwrite(task, "x", 1, 0), -1);
  platform::mapping reading(task, size, platform::access::read);
  EXPECT_NE(mprotect(reading.data(), size, PROT_READ | PROT_WRITE), 0);
  for (int file : {task, result, c.files().text.get()}) {
    EXPECT_NE(ftruncate(file, 0), 0);
    EXPECT_NE(ftruncate(file, 1 << 22), 0);
    EXPECT_TRUE(fcntl(file, F_GETFD) & FD_CLOEXEC);
  }
  bell b;
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b.page_fd(), 0), MAP_FAILED);
}

TEST(channel, works_through_descriptors_once_they_are_closed) {
  channel c;
  bell b;
  channel_worker worker(c.files().task.get(), c.files().result.get(), b.page_fd(), b.ring_fd());
  c.close_files();
  EXPECT_EQ(c.files().task.get(), -1);
  ASSERT_TRUE(c.append({0, 0, 1, 1, 0}, text_bytes("abc")));
  c.publish();
  ASSERT_EQ(worker.claim(), next::task);
  EXPECT_EQ(as_text(worker.body()), "abc");
  worker.open();
  worker.publish({}, text_bytes("def"));
  EXPECT_TRUE(c.drain([](const channel::result& r) { EXPECT_EQ(as_text(r.body), "def"); }));
}

TEST(channel, keeps_its_mappings_from_children) {
  channel c;
  const pid_t child = fork();
  if (child == 0) {
    unsigned char page;
    const bool there = mincore(c.memory().task, 1, &page) == 0 || mincore(c.memory().result, 1, &page) == 0;
    _exit(there ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(channel, reads_crash_text_up_to_its_end) {
  channel c;
  EXPECT_EQ(c.text(), "");
  ASSERT_EQ(write(c.files().text.get(), "Segmentation fault\n", 19), 19);
  ASSERT_EQ(write(c.files().text.get(), "frame", 5), 5);
  EXPECT_EQ(c.text(), "Segmentation fault\nframe");
  const std::string much(100'000, 'x');
  for (int k = 0; k < 3; ++k) {
    if (write(c.files().text.get(), much.data(), much.size()) < 0) {
      EXPECT_EQ(errno, EPERM);
    }
  }
  EXPECT_LE(c.text().size(), 64u * 1024);
  EXPECT_GE(c.text().size(), 60u * 1024);
}

TEST(channel, refuses_a_shape_that_cannot_work) {
  EXPECT_THROW(channel({3, 16, 1024, 1024}), std::invalid_argument);
  EXPECT_THROW(channel({1, 16, 1024, 1024}), std::invalid_argument);
  EXPECT_THROW(channel({4, 15, 1024, 1024}), std::invalid_argument);
  EXPECT_THROW(channel({4, 16, 1000, 1024}), std::invalid_argument);
  EXPECT_THROW(channel({4, 16, 1024, 1u << 30}), std::invalid_argument);
}

// ---- what a worker must not write

struct damage {
  const char* what;
  void (*how)(both&);
};

class damaged_channel : public testing::TestWithParam<damage> {};

std::uint64_t tail_at(ordinal number, std::uint32_t offset, std::uint8_t lap) {
  return layout::pack({number, offset, lap});
}
std::uint32_t* first_record(both& c) {
  return reinterpret_cast<std::uint32_t*>(c.driver.memory().result + layout::result_bytes_at());
}

TEST_P(damaged_channel, is_found_out_and_reads_nothing_outside) {
  both c(tiny());
  for (int k = 0; k < 3; ++k) c.send("0123456789");
  c.work();
  ASSERT_EQ(c.worker.claim(), next::task);
  c.worker.open();
  GetParam().how(c);
  const bool drained = c.driver.drain([&](const channel::result& r) {
    for (std::byte b : r.body) c.number += static_cast<unsigned>(b);
    ASSERT_GE(reinterpret_cast<const std::byte*>(r.body.data()), c.driver.memory().result);
    ASSERT_LE(r.body.data() + r.body.size(), c.driver.memory().result + layout::result_segment(tiny()));
  });
  EXPECT_TRUE(!drained || !c.driver.look().sane || (c.driver.take_back(1) == 0 && !c.driver.look().sane));
  EXPECT_FALSE(c.driver.look().sane);
}

INSTANTIATE_TEST_SUITE_P(
    all, damaged_channel,
    testing::Values(
        damage{"more_results_than_tasks", [](both& c) { worker_words(c.driver).result_tail = tail_at(9, 24, 0); }},
        damage{"fewer_results_than_seen", [](both& c) { worker_words(c.driver).result_tail = tail_at(0u - 1, 24, 0); }},
        damage{"a_tail_outside", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 4096, 0); }},
        damage{"a_tail_too_short", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 16, 0); }},
        damage{"a_tail_too_long", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 200, 0); }},
        damage{"two_laps_ahead", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 0, 2); }},
        damage{"a_lap_behind", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 24, 255); }},
        damage{"a_lap_without_a_mark", [](both& c) { worker_words(c.driver).result_tail = tail_at(1, 0, 1); }},
        damage{"another_number", [](both& c) { first_record(c)[0] = 2; }},
        damage{"a_length_too_long", [](both& c) { first_record(c)[1] = 100; }},
        damage{"a_wait_that_is_not_there", [](both& c) { first_record(c)[1] = layout::flag_wait | 2; }},
        damage{"a_length_beyond_the_ring", [](both& c) { first_record(c)[1] = 0xfffffff0u; }},
        damage{"a_mark_where_none_is_due", [](both& c) { first_record(c)[1] = layout::wrap_mark; }},
        damage{"a_larger_limit", [](both& c) { worker_words(c.driver).claim = layout::pair(9, 2); }},
        damage{"a_smaller_limit", [](both& c) { worker_words(c.driver).claim = layout::pair(2, 2); }},
        damage{"claims_beyond_the_limit", [](both& c) { worker_words(c.driver).claim = layout::pair(3, 4); }},
        damage{"claims_two_at_once", [](both& c) { worker_words(c.driver).claim = layout::pair(3, 3); }},
        damage{"claims_the_past", [](both& c) { worker_words(c.driver).claim = layout::pair(3, 0); }},
        damage{"an_unknown_phase", [](both& c) { worker_words(c.driver).stage = layout::pair(1, 4); }}),
    [](const auto& param) { return std::string(param.param.what); });

TEST(channel, delivers_what_came_before_the_damage) {
  both c(tiny());
  for (int k = 0; k < 3; ++k) c.send("0123456789");
  c.work();
  c.work();
  first_record(c)[6] = 77;  // the second record's number
  EXPECT_EQ(c.drained(), std::vector<std::string>{"9876543210"});
  EXPECT_FALSE(c.sane);
  EXPECT_EQ(c.drained().size(), 0u);
  EXPECT_FALSE(c.sane);
}

TEST(channel, a_limit_changed_between_two_bundles_is_found_out) {
  both c;
  c.send("a");
  worker_words(c.driver).claim = layout::pair(5, 0);
  c.send("b");
  EXPECT_FALSE(c.driver.look().sane);
  EXPECT_EQ(c.driver.take_back(1), 0u);
}

}  // namespace
}  // namespace centimane::engine

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
