// A worker gone mad: a thread writes at random into the result segment while the driver sends, takes back, looks and
// drains. The driver must never read outside the segment, never hold a number of tasks it did not send, and end each
// round by finding the worker out (or by not having been lied to). Meant for AddressSanitizer; ThreadSanitizer would
// only report the very races that are the point.
#include <gtest/gtest.h>

#include <iostream>
#include <thread>

#include "cpp/process/channel_stress.hpp"
#include "leak_check.hpp"

namespace centimane::engine::stress {
namespace {

/// Flips bytes of whatever memory it is given, until told to stop.
class vandal {
 public:
  explicit vandal(std::uint64_t seed) : random_(seed), thread_([this] { work(); }) {}
  ~vandal() {
    over_ = true;
    thread_.join();
  }
  vandal(const vandal&) = delete;
  vandal& operator=(const vandal&) = delete;

  /// One blow, from the caller's thread: they come more often than a thread on a busy machine delivers them.
  static void hit(std::byte* at, std::mt19937_64& random);
  void let_loose(std::byte* at) { at_ = at; }
  /// Returns when it has let go.
  void stop() {
    at_ = nullptr;
    while (busy_) std::this_thread::yield();
  }

 private:
  void work() {
    while (!over_) {
      busy_ = true;
      if (std::byte* at = at_) hit(at, random_);
      busy_ = false;
      for (std::uint64_t n = random_() % 200; n > 0; --n) asm volatile("");
    }
  }
  std::atomic<std::byte*> at_{nullptr};
  std::atomic<bool> busy_{false}, over_{false};
  std::mt19937_64 random_;
  std::thread thread_;
};

void vandal::hit(std::byte* at, std::mt19937_64& random) {
  const auto write = [&](std::size_t offset, std::uint64_t value) {
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at + offset))
        .store(value, std::memory_order_relaxed);
  };
  auto& words = *reinterpret_cast<layout::result_words*>(at);
  const auto nudge = [&](std::atomic<std::uint64_t>& word) {
    word.store(word.load() + (random() % 2 == 0 ? random() % 32 - 16
                                                : layout::pair(static_cast<std::uint32_t>(random() % 8 - 4), 0)));
  };
  switch (random() % 8) {
    case 0:
      nudge(words.result_tail);
      break;
    case 1:
      nudge(words.claim);
      break;
    case 2:
      nudge(words.stage);
      break;
    case 3:
      words.since.store(static_cast<std::int64_t>(random()));
      break;
    case 4:
      words.parked.store(static_cast<std::uint32_t>(random() % 4));
      break;
    case 5:
      words.result_tail.store(
          layout::pack({static_cast<ordinal>(random() % 16), static_cast<std::uint32_t>(random() % 160 * 8),
                        static_cast<std::uint8_t>(random() % 3)}));
      break;
    default: {  // a header's word: numbers and lengths near what is right, and far from it
      const std::size_t offset = layout::result_bytes_at() + random() % 128 * 8;
      const auto length = static_cast<std::uint32_t>(random() % 4 == 0 ? random() : random() % 160);
      write(offset,
            layout::pair(random() % 8 == 0 ? layout::wrap_mark : length, static_cast<std::uint32_t>(random() % 16)));
    }
  }
}

TEST(channel_hostile, reads_nothing_outside_and_finds_the_liar_out) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "races on purpose";
#endif
  const std::uint64_t seed = asked().seed;
  std::cout << "seed " << seed << '\n';
  watchdog dog;
  const channel_shape shape{4, 16, 1024, 1024};
  bell ring;
  vandal liar(seed);
  std::mt19937_64 random(seed + 1);
  std::uint64_t rounds = 0, found = 0, results = 0, sum = 0;
  const std::int64_t until = platform::now() + static_cast<std::int64_t>(asked().seconds * 1e9);
  while (platform::now() < until) {
    channel c(shape);
    channel_worker honest(c.memory(), ring.page(), ring.ring_fd());
    std::uint32_t sent = 0, back = 0, came = 0;
    for (; sent < 4; ++sent) {
      ASSERT_TRUE(c.append({0, 0, sent, 1, 0}, std::vector<std::byte>(random() % 40)));
      c.publish();
    }
    for (std::uint32_t n = 1 + static_cast<std::uint32_t>(random() % 4); n > 0; --n) {
      ASSERT_EQ(honest.claim(), channel_worker::next::task);
      honest.open();
      honest.publish({}, std::vector<std::byte>(random() % 100));
    }
    liar.let_loose(c.memory().result);
    bool sane = true;
    const std::byte *first = c.memory().result, *last = first + layout::result_segment(shape);
    for (int k = 0; k < 30 && sane; ++k) {
      if (random() % 4 == 0) vandal::hit(c.memory().result, random);
      const bool drained = c.drain([&](const channel::result& r) {
        ASSERT_TRUE(r.body.data() >= first && r.body.data() + r.body.size() <= last);
        ASSERT_EQ(r.number, came++);
        for (std::byte b : r.body) sum += static_cast<std::uint64_t>(b);
      });
      if (random() % 3 == 0) back += c.take_back(1 + static_cast<std::uint32_t>(random() % 4));
      if (random() % 3 == 0 && c.append({0, 0, 0, 1, 0}, std::vector<std::byte>(8))) {
        ++sent;
        c.publish();
      }
      const channel_state s = c.look();
      ASSERT_LE(static_cast<int>(s.at), 3);
      ASSERT_LE(s.since, platform::now());
      static_cast<void>(c.due());
      static_cast<void>(c.readable());
      ASSERT_EQ(c.held(), sent - back - came);
      sane = drained && s.sane;
    }
    liar.stop();
    ++rounds;
    found += sane ? 0 : 1;
    results += came;
  }
  EXPECT_GT(found, 0u);
  EXPECT_GT(results, 0u);
  std::cout << rounds << " rounds, found out in " << found << ", " << results << " results read, sum " << sum << '\n';
}

}  // namespace
}  // namespace centimane::engine::stress

int main(int argc, char** argv) {
  centimane::engine::stress::read_settings(argc, argv);
  return centimane::test::run_all(argc, argv);
}
