// What the engine sees of another process from outside: its mappings and its state.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leak_check.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"
#include "platform/process_maps.hpp"
#include "platform/process_state.hpp"

namespace centimane::platform {
namespace {

/// A child that stands still, or runs for ever.
class child {
 public:
  explicit child(bool runs) : pid(fork()) {
    if (pid != 0) return;
    while (runs) asm volatile("");
    for (;;) pause();
  }
  ~child() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  /// Sends it and waits until it has taken effect; a dead child stays a zombie.
  void send(int signal, int effect) const {
    kill(pid, signal);
    siginfo_t what;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &what, effect | WNOWAIT), 0);
  }
  const pid_t pid;
};

TEST(process_maps, tells_a_file_that_is_mapped_from_one_that_is_not) {
  const fd memory = make_memory("centimane-look-test", 4096);
  EXPECT_EQ(maps_file(getpid(), "centimane-look-test"), mapped::no);
  const mapping there(memory.get(), 4096, access::read);
  EXPECT_EQ(maps_file(getpid(), "centimane-look-test"), mapped::yes);
  const child copy(false);
  EXPECT_EQ(maps_file(copy.pid, "centimane-look-test"), mapped::yes);
}

TEST(process_maps, tells_a_process_that_is_ending_from_one_that_has_become_another) {
  const child one(false);
  EXPECT_EQ(maps_file(one.pid, "centimane-look-test"), mapped::no);
  one.send(SIGKILL, WEXITED);
  EXPECT_EQ(maps_file(one.pid, "centimane-look-test"), mapped::ending);
}

TEST(process_state, tells_who_wants_the_processor) {
  EXPECT_TRUE(wants_processor(getpid()));
  const child busy(true);
  EXPECT_TRUE(wants_processor(busy.pid));
  busy.send(SIGSTOP, WSTOPPED);
  EXPECT_FALSE(wants_processor(busy.pid));
  busy.send(SIGCONT, WCONTINUED);
  EXPECT_TRUE(wants_processor(busy.pid));
  busy.send(SIGKILL, WEXITED);
  EXPECT_FALSE(wants_processor(busy.pid));
}

TEST(process_state, of_nobody_is_that_of_one_who_wants_nothing) {
  EXPECT_FALSE(wants_processor(-1));
  EXPECT_EQ(maps_file(-1, "centimane-look-test"), mapped::no);
}

}  // namespace
}  // namespace centimane::platform

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
