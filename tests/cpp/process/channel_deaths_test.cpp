// Worker processes that die: at each named point of a task's way, and by SIGKILL at any instruction. The driver sends
// again what had not begun and blames what had. Checked: no item is lost, none comes twice, none is run twice, the
// blame for each death is exact, and nobody is left asleep (the driver sleeps without a timeout).
//
// Longer: channel_deaths_test --seconds=300 --seed=7
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <iostream>
#include <map>
#include <optional>

#include "cpp/process/channel_stress.hpp"
#include "leak_check.hpp"

namespace centimane::engine::stress {
namespace {

/// What must be found when a worker dies at a point.
enum class verdict_due : std::uint8_t { nobody, again, open, run, write };

struct place {
  const char* name;
  verdict_due due;
};
constexpr std::array<place, 10> places{{{"worker.after_claim", verdict_due::again},
                                        {"worker.after_open", verdict_due::open},
                                        {"worker.decoded", verdict_due::open},
                                        {"worker.after_run_mark", verdict_due::run},
                                        {"worker.in_user", verdict_due::run},
                                        {"worker.after_user", verdict_due::run},
                                        {"worker.write_mark", verdict_due::write},
                                        {"worker.half_written", verdict_due::write},
                                        {"worker.after_commit", verdict_due::nobody},
                                        {"worker.before_park", verdict_due::nobody}}};
constexpr std::size_t random_kill = places.size(), any_place = places.size() + 1;

void spin(std::uint64_t n) {
  for (; n > 0; --n) asm volatile("");
}

/// Memory that forked workers share with the test, to tell the truth behind the driver's back.
struct witness {
  explicit witness(std::size_t items)
      : size_(items),
        runs_(static_cast<std::uint8_t*>(
            ::mmap(nullptr, items, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (runs_ == MAP_FAILED) std::abort();
  }
  ~witness() { ::munmap(runs_, size_); }
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  /// How often user code began with the item. One process at a time has an item.
  [[nodiscard]] std::uint8_t& runs(item i) const { return runs_[i]; }

 private:
  std::size_t size_;
  std::uint8_t* runs_;
};

/// One worker process and its channel.
struct mortal : line {
  mortal(const channel_shape& shape, std::size_t where) : line(shape), place(where) {}
  pid_t pid = 0;
  platform::fd pidfd;
  std::size_t place;    ///< where it kills itself, or random_kill
  bool killed = false;  ///< we sent SIGKILL
};

class world {
 public:
  world(const channel_shape& shape, std::uint32_t workers, std::uint32_t bundle, std::size_t where)
      : shape_(shape), bundle_(bundle), where_(where), m_(asked().seed, shape, items), truth_(items) {
    for (std::uint32_t w = 0; w < workers; ++w) lines_.push_back(born());
  }

  void live() {
    const std::int64_t until = platform::now() + static_cast<std::int64_t>(asked().seconds * 1e9);
    for (bool stopping = false; !m_.finished() && !testing::Test::HasFailure();) {
      if (!stopping && platform::now() >= until) {
        stopping = true;
        m_.stop_here();
        continue;
      }
      bool did = false;
      for (auto& l : lines_) {
        if (l->to->readable()) {
          ASSERT_TRUE(m_.drain(*l));
          did = true;
        }
        if (m_.wants(*l)) {
          m_.send(*l, bundle_);
          did = true;
        }
        if (m_.dice(8) == 0 && m_.take_back(*l)) did = true;
        auto& mine = static_cast<mortal&>(*l);
        if (mine.place == random_kill && !mine.killed && !mine.held.empty() && m_.dice(1000) == 0) kill(mine);
      }
      if (did && m_.dice(50) != 0) continue;
      const bool may_sleep = !did && m_.dice(3) != 0 && m_.announce(ring_, lines_);
      watch(may_sleep);
      ring_.awake();
    }
    for (auto& l : lines_) {
      l->to->closing();
      int status = 0;
      ASSERT_EQ(waitpid(static_cast<mortal&>(*l).pid, &status, 0), static_cast<mortal&>(*l).pid);
    }
    account();
  }

 private:
  static constexpr item items = 40'000'000;

  std::unique_ptr<mortal> born() {
    const std::size_t where = where_ == any_place ? m_.dice(places.size() + 1) : where_;
    auto l = std::make_unique<mortal>(shape_, where);
    const std::uint32_t nth = 1 + m_.dice(400);
    const channel_files& files = l->to->files();
    const pid_t parent = getpid();
    l->pid = fork();
    if (l->pid == 0) {
      signal(SIGALRM, SIG_DFL);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(0);
#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
      if (where < places.size()) platform::fault::find(places[where].name)->arm(nth, platform::fault::action::kill);
#endif
      channel_worker end(files.task.get(), files.result.get(), ring_.page_fd(), ring_.ring_fd());
      const std::uint32_t linger = where == random_kill ? 2000 : 0;  // so that a blind shot hits each phase
      serve(
          end, m_.most(), [=](item i) { spin(scramble(i) % (linger + 1)); },
          [=, this](item i) {
            ++truth_.runs(i);
            spin(scramble(i + 1) % (linger + 1));
          });
      _exit(0);
    }
    l->pidfd = platform::fd{static_cast<int>(syscall(SYS_pidfd_open, l->pid, 0))};
    if (l->pid < 0 || !l->pidfd) std::abort();
    l->to->close_files();
    return l;
  }

  void kill(mortal& l) {
    l.killed = true;
    spin(m_.dice(1u << m_.dice(19)));  // somewhere on its way
    ::kill(l.pid, SIGKILL);
  }

  /// Waits for the bell or a death, for ever if `sleep`; buries the dead.
  void watch(bool sleep) {
    std::vector<pollfd> what{{ring_.listen_fd(), POLLIN, 0}};
    for (auto& l : lines_) what.push_back({static_cast<mortal&>(*l).pidfd.get(), POLLIN, 0});
    ::poll(what.data(), what.size(), sleep ? -1 : 0);
    for (std::size_t w = 0; w < lines_.size(); ++w) {
      if (what[w + 1].revents != 0) bury(w);
    }
  }

  void bury(std::size_t w) {
    auto& l = static_cast<mortal&>(*lines_[w]);
    int status = 0;
    ASSERT_EQ(waitpid(l.pid, &status, 0), l.pid);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "a worker ended with status " << status;
    ASSERT_TRUE(m_.drain(l));
    const channel_state s = l.to->look();
    ASSERT_TRUE(s.sane);
    verdict_due found = verdict_due::nobody;
    if (s.begun)
      found = s.at == phase::open ? verdict_due::open : s.at == phase::run ? verdict_due::run : verdict_due::write;
    else if (s.claimed)
      found = verdict_due::again;
    ++found_[l.place][found];
    if (l.place < places.size()) {
      ASSERT_EQ(static_cast<int>(found), static_cast<int>(places[l.place].due)) << places[l.place].name;
    }
    if (s.begun) {  // blamed: this is its outcome
      const item i = l.held.front();
      l.held.pop_front();
      if (found == verdict_due::open) {
        EXPECT_EQ(truth_.runs(i), 0);
      }
      if (found == verdict_due::write) {
        EXPECT_EQ(truth_.runs(i), 1);
      }
      m_.settle(i);
      ++blamed_;
    }
    while (!l.held.empty()) {
      EXPECT_EQ(truth_.runs(l.held.back()), 0) << "an item that ran is sent again";
      m_.again(l.held.back());
      l.held.pop_back();
      ++resent_;
    }
    ++deaths_;
    lines_[w] = born();
  }

  void account() {
    EXPECT_EQ(m_.count.wrong, 0u);
    EXPECT_EQ(m_.count.values + blamed_, m_.total());
    for (item i = 0; i < m_.total(); ++i) ASSERT_LE(truth_.runs(i), 1) << "item " << i << " ran twice";
    EXPECT_GT(deaths_, 0u);
    std::cout << "seed " << asked().seed << ": " << m_.count.values << " values, " << deaths_ << " deaths, " << blamed_
              << " blamed, " << resent_ << " sent again, " << m_.count.taken_back << " taken back, " << m_.count.sleeps
              << " sleeps\n";
    constexpr const char* verdicts[] = {"nobody", "again", "open", "run", "write"};
    for (const auto& [where, verdicts_found] : found_) {
      std::cout << "  " << (where < places.size() ? places[where].name : "SIGKILL") << ':';
      for (const auto& [v, n] : verdicts_found) std::cout << ' ' << verdicts[static_cast<int>(v)] << ' ' << n;
      std::cout << '\n';
    }
  }

  channel_shape shape_;
  std::uint32_t bundle_;
  std::size_t where_;
  watchdog dog_;
  bell ring_;
  mover m_;
  witness truth_;
  std::vector<std::unique_ptr<line>> lines_;
  std::map<std::size_t, std::map<verdict_due, std::uint64_t>> found_;
  std::uint64_t deaths_ = 0, blamed_ = 0, resent_ = 0;
};

TEST(channel_deaths, at_any_instruction) { world({4, 16, 1024, 1024, 0u - 100}, 3, 5, random_kill).live(); }

TEST(channel_deaths, at_any_instruction_in_rings_of_usual_size) { world({}, 2, 64, random_kill).live(); }

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
TEST(channel_deaths, at_each_named_point) { world({4, 16, 1024, 1024, 0u - 100}, 3, 5, any_place).live(); }
#endif

}  // namespace
}  // namespace centimane::engine::stress

int main(int argc, char** argv) {
  centimane::engine::stress::read_settings(argc, argv);
  return centimane::test::run_all(argc, argv);
}
