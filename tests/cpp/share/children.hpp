// Children of a test that share its memory: they are forked, run one function, may be told where to die, and are waited
// for. And a wait for what another process does, which ends by the fact, not by a clock.
#pragma once
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "platform/fault.hpp"
#include "share/slab.hpp"

namespace centimane::test {

class child {
 public:
  /// Runs `what` in a process of its own; it ends with 0 if that says true.
  explicit child(const std::function<bool()>& what) : pid_(::fork()) {
    if (pid_ != 0) return;
    bool good = false;
    try {
      good = what();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in the child: %s\n", e.what());
    }
    ::_exit(good ? 0 : 1);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (pid_ > 0) {
      kill();
      join();
    }
  }
  /// Its wait status.
  int join() {
    int status = -1;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  void expect_good() { EXPECT_EQ(join(), 0); }
  void expect_killed() {
    const int status = join();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

/// What a test and its children count in.
class counters {
 public:
  counters() : cell_(share::cell::make(share::cell_kind::bytes, 256)) {}
  std::atomic<std::uint64_t>& operator[](std::size_t k) const {
    return reinterpret_cast<std::atomic<std::uint64_t>*>(cell_->data())[k];
  }

 private:
  std::shared_ptr<share::cell> cell_;
};

/// In a child: the nth time that it comes to that point, it is killed.
inline void die_at(std::string_view point, std::uint64_t nth = 1) {
  platform::fault::point* it = platform::fault::find(point);
  if (it == nullptr) {
    std::fprintf(stderr, "no fault point %s\n", std::string(point).c_str());
    ::_exit(2);
  }
  it->arm(nth, platform::fault::action::kill);
}

/// Until it is true; the test's own limit is the watchdog.
template <class Fact>
void until(Fact fact) {
  while (!fact()) std::this_thread::yield();
}

}  // namespace centimane::test
