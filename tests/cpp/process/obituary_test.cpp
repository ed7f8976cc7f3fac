// How a worker's end is put into words when several things are known of it.
#include "process/obituary.hpp"

#include <gtest/gtest.h>
#include <signal.h>

using namespace centimane;

namespace {

engine::ending ended(int signal, int exit_code) {
  engine::ending end;
  end.pid = 7;
  end.worker = 1;
  end.known = true;
  end.signal = signal;
  end.exit_code = exit_code;
  end.closed_channel = true;
  return end;
}

TEST(obituary, a_signal_of_its_own_says_more_than_the_channel_that_closed_with_it) {
  EXPECT_NE(engine::one_line(ended(SIGXFSZ, -1)).find("RLIMIT_FSIZE"), std::string::npos);
  EXPECT_NE(engine::one_line(ended(SIGSEGV, -1)).find("SIGSEGV"), std::string::npos);
}

TEST(obituary, our_own_kill_is_not_the_reason_but_the_closed_channel) {
  EXPECT_NE(engine::one_line(ended(SIGKILL, -1)).find("called exec"), std::string::npos);
}

TEST(obituary, an_exit_code_is_told_beside_the_closed_channel) {
  EXPECT_NE(engine::one_line(ended(0, 3)).find("exited with code 3"), std::string::npos);
}

TEST(obituary, who_outlives_sigkill_is_said_to) {
  engine::ending end = ended(SIGKILL, -1);
  end.unkillable = true;
  EXPECT_NE(engine::one_line(end).find("SIGKILL does not reach it"), std::string::npos);
  EXPECT_TRUE(engine::died_in_hand(end).unkillable);
  EXPECT_FALSE(engine::died_in_hand(ended(SIGKILL, -1)).unkillable);
}

TEST(obituary, what_was_detached_is_counted) {
  const engine::ending end = ended(0, 0);
  EXPECT_NE(engine::detached(end, 1).find("1 process that its tasks had detached"), std::string::npos);
  EXPECT_NE(engine::detached(end, 2).find("2 processes"), std::string::npos);
}

TEST(obituary, a_task_that_never_began_died_in_its_claim) {
  EXPECT_EQ(engine::died_unbegun(ended(SIGKILL, -1)).where, engine::stage::claim);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
