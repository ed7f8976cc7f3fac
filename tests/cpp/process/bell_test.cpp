// The bell: who sleeps is woken, once a sleep, and nobody can write where they must not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "centimane/detail/words.hpp"
#include "leak_check.hpp"
#include "platform/clock.hpp"
#include "platform/signal_hold.hpp"
#include "process/bell.hpp"

namespace centimane::engine {
namespace {

TEST(bell, wakes_a_sleeper_and_forgets_when_awake) {
  bell b;
  b.announce();
  b.ring();
  EXPECT_TRUE(b.sleep(policy::never));
  b.awake();
  b.announce();
  EXPECT_FALSE(b.sleep(platform::now())) << "the pipe was emptied";
  b.awake();
}

TEST(bell, is_rung_once_a_sleep_by_each_rope) {
  bell b;
  bell_rope one(b.page_fd(), b.ring_fd()), two(b.page(), b.ring_fd());
  char bytes[16];
  one.ring_if_asleep();
  EXPECT_EQ(read(b.listen_fd(), bytes, sizeof bytes), -1) << "nobody sleeps";
  for (int k = 0; k < 3; ++k) {
    b.announce();
    for (int n = 0; n < 5; ++n) {
      one.ring_if_asleep();
      two.ring_if_asleep();
    }
    EXPECT_EQ(read(b.listen_fd(), bytes, sizeof bytes), 2);
    b.awake();
  }
}

TEST(bell, awake_empties_a_full_pipe) {
  bell b;
  for (int k = 0; k < 100'000; ++k) b.ring();
  EXPECT_TRUE(b.sleep(policy::never));
  b.awake();
  EXPECT_FALSE(b.sleep(platform::now()));
}

TEST(bell, sleeps_to_the_end_of_time_and_no_longer_than_asked) {
  bell b;
  const policy::nanos until = platform::now() + 2'000'000;
  b.announce();
  EXPECT_FALSE(b.sleep(until));
  EXPECT_GE(platform::now(), until);
  EXPECT_FALSE(b.sleep(INT64_MIN));
  b.awake();
  std::thread ringer([&] { b.ring(); });
  EXPECT_TRUE(b.sleep(policy::never));
  ringer.join();
}

std::atomic<int> signals{0};

TEST(bell, a_signal_that_came_after_the_last_look_ends_the_sleep) {
  struct sigaction how {
  }, old{};
  how.sa_handler = [](int) { ++signals; };
  ASSERT_EQ(sigaction(SIGUSR1, &how, &old), 0);
  bell b;
  {
    platform::signal_hold hold;
    ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    EXPECT_EQ(signals, 0) << "held back while the caller looks";
    {
      platform::signal_hold inner;
      EXPECT_FALSE(b.sleep(policy::never)) << "not rung, but not left asleep either";
    }
    EXPECT_EQ(signals, 1);
    ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    EXPECT_EQ(signals, 1) << "the outer hold still holds";
  }
  EXPECT_EQ(signals, 2);
  EXPECT_EQ(platform::signal_hold::before(), nullptr);
  sigaction(SIGUSR1, &old, nullptr);
}

TEST(bell, a_rope_whose_pipe_is_gone_ends_the_process_and_touches_no_other_file) {
  bell b;
  int others[2];
  ASSERT_EQ(pipe2(others, O_CLOEXEC | O_NONBLOCK), 0);
  b.announce();
  const pid_t child = fork();
  if (child == 0) {
    // A child has no mapping of the driver's, so it makes its own, as a worker does.
    bell_rope rope(b.page_fd(), b.ring_fd());
    if (dup2(others[1], b.ring_fd()) < 0) _exit(1);  // what a task may do
    rope.ring_if_asleep();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 70) << status;
  char byte;
  EXPECT_EQ(read(others[0], &byte, 1), -1) << "the byte went into somebody else's pipe";
  close(others[0]);
  close(others[1]);
}

}  // namespace
}  // namespace centimane::engine

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
