// Whatever ends a driver, its zygote and all workers go with it: idle, busy and stopped ones. A helper process plays
// the driver.
#include <sys/prctl.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "platform/fault.hpp"
#include "zygote_nest.hpp"

namespace {

using namespace centimane::test;

/// A driver with three workers (idle, busy, stopped), which then does `end`. Watched by pidfd from here.
class family {
 public:
  explicit family(
      const std::function<void(nest&)>& end, const std::function<nest()>& make = [] { return nest(); }) {
    int tell[2], go[2];
    if (pipe2(tell, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) std::abort();
    driver_ = fork();
    if (driver_ == 0) {
      setpgid(0, 0);
      close(tell[0]);
      close(go[1]);
      nest home = make();
      const auto idle = home.worker(1), busy = home.worker(2), asleep = home.worker(3);
      command(*busy, order::spin);
      platform::pidfd_signal(home.pidfd(3), SIGSTOP);
      while (!stopped(home.pid(3))) std::this_thread::yield();
      const pid_t all[] = {home->pid(), home.pid(1), home.pid(2), home.pid(3)};
      (void)!write(tell[1], all, sizeof all);
      char word = 0;
      (void)!read(go[0], &word, 1);
      end(home);
      _exit(0);
    }
    close(tell[1]);
    close(go[0]);
    go_ = platform::fd(go[1]);
    const platform::fd from(tell[0]);
    pid_t all[4]{};
    if (!readable(from.get()) || read(from.get(), all, sizeof all) != sizeof all)
      throw std::runtime_error("the driver did not start");
    for (const pid_t pid : all) watched_.push_back(platform::pidfd_open(pid));
  }
  ~family() {
    kill(driver_, SIGKILL);
    waitpid(driver_, nullptr, 0);
  }
  /// Lets the driver do its end.
  void go() { (void)!write(go_.get(), "x", 1); }
  [[nodiscard]] pid_t driver() const { return driver_; }
  [[nodiscard]] int zygote_pidfd() const { return watched_.front().get(); }
  /// Waits until all are gone.
  void expect_gone(const char* how) {
    const std::int64_t begin = platform::now();
    static constexpr const char* who[] = {"zygote", "idle worker", "busy worker", "stopped worker"};
    for (std::size_t i = 0; i < watched_.size(); ++i)
      EXPECT_TRUE(readable(watched_[i].get())) << who[i] << " outlives: " << how;
    std::printf("%s: all gone after %.2f ms\n", how, static_cast<double>(platform::now() - begin) / 1e6);
  }
  [[nodiscard]] bool anyone_gone() const {
    return std::any_of(watched_.begin(), watched_.end(),
                       [](const platform::fd& one) { return platform::pidfd_exited(one.get()); });
  }

 private:
  pid_t driver_ = 0;
  platform::fd go_;
  std::vector<platform::fd> watched_;
};

void nothing(nest&) {}

class driver_deaths : public ::testing::TestWithParam<int> {};

TEST_P(driver_deaths, by_signal) {
  family all(nothing);
  EXPECT_FALSE(all.anyone_gone());
  kill(all.driver(), GetParam());
  all.expect_gone(sigabbrev_np(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(signals, driver_deaths, ::testing::Values(SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGINT, SIGHUP));

TEST(driver_ends, by_exit_without_ado) {
  family all([](nest&) { _exit(3); });
  all.go();
  all.expect_gone("_exit");
}

TEST(driver_ends, by_becoming_another_program) {
  family all([](nest&) { execl("/bin/sleep", "sleep", "100", nullptr); });
  all.go();
  all.expect_gone("exec");
}

TEST(driver_ends, while_a_copy_of_it_lives_on) {
  family all([](nest&) {
    if (fork() == 0) {  // holds copies of all descriptors of the driver
      prctl(PR_SET_PDEATHSIG, 0);
      for (;;) pause();
    }
    kill(getpid(), SIGKILL);
  });
  all.go();
  all.expect_gone("SIGKILL with a living copy");
  kill(-all.driver(), SIGKILL);  // the copy is in the driver's group
}

TEST(driver_ends, by_exec_while_a_copy_of_it_lives_on) {
  family all([](nest&) {
    if (fork() == 0) {
      for (;;) pause();
    }
    execl("/bin/sleep", "sleep", "100", nullptr);
  });
  all.go();
  all.expect_gone("exec with a living copy");
  kill(-all.driver(), SIGKILL);
}

TEST(driver_ends, with_its_zygote_stopped_if_the_thread_was_to_live) {
  family all(nothing, [] {
    zygote_hooks hooks;
    hooks.thread_lives = true;
    return nest(hooks);
  });
  platform::pidfd_signal(all.zygote_pidfd(), SIGSTOP);
  kill(all.driver(), SIGKILL);
  all.expect_gone("SIGKILL with a stopped zygote");
}

TEST(driver_ends, with_its_group_killed) {
  family all(nothing);
  kill(-all.driver(), SIGKILL);
  all.expect_gone("SIGKILL of the group");
}

TEST(driver_ends, right_after_a_request) {
  family all([](nest& home) {
    for (std::uint64_t i = 10; i < 20; ++i) (void)home.ask(i).release();
    kill(getpid(), SIGKILL);
  });
  all.go();
  all.expect_gone("SIGKILL amid forks");
}

TEST(driver_stops, and_nobody_goes) {
  family all(nothing);
  kill(all.driver(), SIGSTOP);
  int status = 0;
  ASSERT_EQ(waitpid(all.driver(), &status, WUNTRACED), all.driver());
  EXPECT_FALSE(all.anyone_gone());
  kill(all.driver(), SIGCONT);
  EXPECT_FALSE(all.anyone_gone());
  all.go();
  all.expect_gone("orderly end");
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
/// The zygote is killed at each step of its work: nothing is left, and the driver hears of it.
class zygote_steps : public ::testing::TestWithParam<const char*> {};

TEST_P(zygote_steps, killed) {
  ASSERT_TRUE(platform::fault::arm(std::string(GetParam()) + ":2:kill"));
  nest home;
  platform::fault::disarm_all();
  const auto first = home.worker(1);
  const auto second = home.ask(2);
  command(*first, order::exit_with, 0);
  for (;;) {
    const zygote::notice n = home.hear();
    if (n.what == zygote::notice::gone) break;
    if (n.what == zygote::notice::forked) command(*second, order::exit_with, 0);
  }
  EXPECT_TRUE(readable(home.pidfd(1)));
}
INSTANTIATE_TEST_SUITE_P(points, zygote_steps,
                         ::testing::Values("zygote.before_fork", "zygote.after_fork", "zygote.before_reap",
                                           "zygote.before_notice"),
                         [](const auto& which) {
                           std::string name = which.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(worker_steps, killed_before_it_is_ready) {
  for (const char* point : {"worker.start", "worker.armed"}) {
    ASSERT_TRUE(platform::fault::arm(std::string(point) + ":1:kill"));
    nest home;
    platform::fault::disarm_all();
    const auto worker = home.ask(1);
    EXPECT_EQ(home.hear().what, zygote::notice::forked);
    const zygote::notice n = home.hear();
    EXPECT_EQ(n.what, zygote::notice::exited);
    EXPECT_EQ(n.signal, SIGKILL);
  }
}
#endif

}  // namespace

int main(int argc, char** argv) { return run_all(argc, argv); }
