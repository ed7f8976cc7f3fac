// The parking protocol under real threads: random bursts, pauses, waits and closings, watched by a watchdog. A lost
// wake-up shows as a pool that sleeps beside queued work; the watchdog ends the program then.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>
#include <vector>

#include "centimane/thread_pool.hpp"
#include "thread/parking.hpp"

namespace cm = centimane;

namespace {

/// Ends the program if nothing has moved for a minute.
class watchdog {
 public:
  explicit watchdog(std::uint32_t seed)
      : thread_([this, seed] {
          std::uint64_t last = 0;
          for (int quiet = 0; quiet < 600; ++quiet) {
            for (int i = 0; i < 10; ++i) {
              if (over_.load()) return;
              std::this_thread::sleep_for(std::chrono::milliseconds(10));
            }
            const std::uint64_t now = moves_.load();
            if (now != last) quiet = 0;
            last = now;
          }
          std::cerr << "a wake-up was lost; seed " << seed << std::endl;
          std::abort();
        }) {}
  ~watchdog() {
    over_ = true;
    thread_.join();
  }
  void moved() { moves_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> moves_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

std::uint32_t new_seed() {
  if (const char* given = std::getenv("CENTIMANE_SEED"))
    return static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10));
  return std::random_device{}();
}

/// Waits a random while: not at all, some spinning, a yield, or long enough for workers to park.
void dawdle(std::minstd_rand& random) {
  switch (random() % 8) {
    case 0:
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
      break;
    case 1:
      sched_yield();
      break;
    case 2:
    case 3:
      for (auto i = random() % 3000; i != 0; --i) {
        asm volatile("");
      }
      break;
    default:
      break;
  }
}

TEST(ParkingStress, EveryBurstIsRunToItsEnd) {
  const std::uint32_t seed = new_seed();
  std::cout << "seed " << seed << std::endl;
  watchdog dog(seed);
  std::minstd_rand random(seed);
  for (int round = 0; round < 30; ++round) {
    cm::thread_pool pool(1 + random() % 5);
    std::vector<std::thread> submitters;
    for (auto s = 1 + random() % 3; s-- > 0;) {
      submitters.emplace_back([&pool, &dog, own = random()] {
        std::minstd_rand mine(static_cast<std::uint32_t>(own));
        for (int burst = 0; burst < 60; ++burst) {
          // All of a burst must end before the next is submitted: a task left behind hangs here.
          const unsigned n = 1 + static_cast<unsigned>(mine() % (burst % 20 == 0 ? 3000 : 6));
          std::atomic<unsigned> left{n};
          cm::detail::sleeper me;
          const bool slow = mine() % 4 == 0;
          for (unsigned i = 0; i < n; ++i) {
            pool.detach([&left, &me, slow, own_seed = mine()] {
              if (slow) {
                std::minstd_rand r(static_cast<std::uint32_t>(own_seed));
                dawdle(r);
              }
              // The last one to touch `left` is the last one to touch the frame of the burst, but for the address of
              // `me`.
              std::atomic<std::uint32_t>* const word = me.signal();
              left.fetch_sub(1);
              cm::detail::sleeper::wake(word);
            });
            if (n < 10) dawdle(mine);
          }
          // A ring may come just before `left` falls: hence the deadline. A pool that sleeps beside work is not saved
          // by it.
          while (left.load() != 0) {
            cm::detail::wait_until(
                me, [&] { return left.load() == 0; }, cm::detail::now_ns() + 1'000'000);
          }
          dog.moved();
        }
      });
    }
    for (auto& t : submitters) t.join();
  }
}

TEST(ParkingStress, TasksThatWaitForTasks) {
  const std::uint32_t seed = new_seed();
  std::cout << "seed " << seed << std::endl;
  watchdog dog(seed);
  std::minstd_rand random(seed);
  for (int round = 0; round < 20; ++round) {
    cm::thread_pool pool(1 + random() % 4);
    std::function<int(std::uint32_t, int)> tree = [&](std::uint32_t own, int depth) -> int {
      std::minstd_rand mine(own);
      dawdle(mine);
      if (depth == 0) return 1;
      std::vector<cm::future<int>> below;
      for (unsigned n = static_cast<unsigned>(mine() % 4); n-- > 0;) {
        below.push_back(pool.submit(tree, static_cast<std::uint32_t>(mine()), depth - 1));
        if (mine() % 16 == 0) below.back().cancel();
      }
      int sum = 1;
      for (auto& f : below) {
        try {
          sum += f.get();
        } catch (const std::exception&) {
          ++sum;  // cancelled
        }
        dog.moved();
      }
      return sum;
    };
    std::vector<std::thread> foreign;
    for (int i = 0; i < 2; ++i) {
      foreign.emplace_back([&, own = random()] {
        std::minstd_rand mine(static_cast<std::uint32_t>(own));
        for (int n = 0; n < 20; ++n) {
          auto f = pool.submit(tree, static_cast<std::uint32_t>(mine()), 5);
          while (!f.wait_for(std::chrono::microseconds(mine() % 200))) {
          }
          EXPECT_GE(f.get(), 1);
          dawdle(mine);
        }
      });
    }
    for (auto& t : foreign) t.join();
  }
}

TEST(ParkingStress, PoolsClosedAtAnyMoment) {
  const std::uint32_t seed = new_seed();
  std::cout << "seed " << seed << std::endl;
  watchdog dog(seed);
  std::minstd_rand random(seed);
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> ended{0};
    struct last_word {  // counts its task once, run or dropped
      explicit last_word(std::atomic<int>* n) : ended(n) {}
      last_word(last_word&& other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
      ~last_word() {
        if (ended != nullptr) ++*ended;
      }
      std::atomic<int>* ended;
    };
    int submitted = 0;
    std::vector<cm::future<void>> f;
    {
      cm::thread_pool pool(1 + random() % 3);
      const unsigned n = static_cast<unsigned>(random() % 40);
      for (unsigned i = 0; i < n; ++i) {
        ++submitted;
        if (random() % 2 == 0) {
          pool.detach([w = last_word(&ended)] { static_cast<void>(w); });
        } else {
          f.push_back(pool.submit([w = last_word(&ended)] { static_cast<void>(w); }));
        }
      }
      dawdle(random);
    }
    EXPECT_EQ(ended, submitted);
    for (auto& one : f) EXPECT_TRUE(one.ready());
    dog.moved();
  }
}

}  // namespace
