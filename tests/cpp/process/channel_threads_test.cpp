// Both ends of tiny channels as threads over one mapping, so that ThreadSanitizer sees both: sends, take-backs, drains
// and sleeps at random. No item may be lost, come twice or come as another; nobody may be left asleep.
//
// Longer: channel_threads_test --seconds=300 --seed=7
#include <gtest/gtest.h>

#include <iostream>
#include <thread>

#include "cpp/process/channel_stress.hpp"
#include "leak_check.hpp"

namespace centimane::engine::stress {
namespace {

struct tight {
  const char* name;
  channel_shape shape;
  std::uint32_t workers, bundle;
};

class channel_threads : public testing::TestWithParam<tight> {};

TEST_P(channel_threads, lose_nothing_and_wake_each_other) {
  const tight& how = GetParam();
  const std::uint64_t seed = asked().seed;
  std::cout << "seed " << seed << '\n';
  watchdog dog;
  bell ring;
  std::vector<std::unique_ptr<line>> lines;
  std::vector<std::thread> workers;
  mover m(seed, how.shape, 60'000'000);
  for (std::uint32_t w = 0; w < how.workers; ++w) {
    lines.push_back(std::make_unique<line>(how.shape));
    workers.emplace_back([&, memory = lines.back()->to->memory()] {
      channel_worker end(memory, ring.page(), ring.ring_fd());
      serve(
          end, m.most(), [](item) {}, [](item) {});
    });
  }
  const std::int64_t until = platform::now() + static_cast<std::int64_t>(asked().seconds * 1e9);
  bool sane = true, stopping = false;
  while (!m.finished() && sane) {
    if (!stopping && platform::now() >= until) {
      stopping = true;
      m.stop_here();
      continue;
    }
    bool did = false;
    for (auto& l : lines) {
      if (l->to->readable()) {
        sane = sane && m.drain(*l);
        did = true;
      }
      if (m.wants(*l)) {
        m.send(*l, how.bundle);
        did = true;
      }
      if (m.dice(8) == 0 && m.take_back(*l)) did = true;
    }
    if (did || m.dice(3) == 0) continue;
    if (m.announce(ring, lines)) ring.sleep(policy::never);
    ring.awake();
  }
  for (auto& l : lines) {
    EXPECT_TRUE(l->to->look().sane);
    l->to->closing();
  }
  for (auto& w : workers) w.join();
  EXPECT_TRUE(sane);
  EXPECT_EQ(m.count.wrong, 0u);
  EXPECT_EQ(m.count.values, m.total());
  EXPECT_GT(m.count.taken_back, 0u);
  EXPECT_GT(m.count.sleeps, 0u);
  std::cout << m.count.values << " items, " << m.count.bundles << " bundles, " << m.count.take_backs
            << " take-backs of " << m.count.taken_back << " items, " << m.count.sleeps << " sleeps\n";
}

constexpr ordinal near_the_end = 0u - 50'000;  // numbers pass 2^32 on the way

INSTANTIATE_TEST_SUITE_P(shapes, channel_threads,
                         testing::Values(tight{"four_slots", {4, 16, 1024, 1024, near_the_end}, 1, 5},
                                         tight{"two_slots_two_workers", {2, 8, 512, 512, 0}, 2, 3},
                                         tight{"larger_bundles", {8, 128, 8192, 2048, near_the_end}, 2, 40}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace centimane::engine::stress

int main(int argc, char** argv) {
  centimane::engine::stress::read_settings(argc, argv);
  return centimane::test::run_all(argc, argv);
}
