// Small pools of worker processes for comparison: each worker is forked once and linked to its parent by a pair of
// queues of some kind; a message is one number, a task answers it plus one. What a program would write that needs no
// more: nothing here notices a death or a slow task.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>

#include "bench.hpp"

namespace bench {

using message = std::int64_t;
inline constexpr message leave = -1;

/// Link: made before the fork; after it, as_parent() or as_child(); send, receive; `window` messages may be on their
/// way unread.
template <class Link>
class forked_workers {
 public:
  static constexpr std::size_t window = Link::window;

  explicit forked_workers(std::size_t n = workers) : n_(n) {
    for (std::size_t i = 0; i < n_; ++i) {
      worker& w = workers_.at(i);
      w.link = std::make_unique<Link>();
      std::fflush(nullptr);
      w.pid = ::fork();
      if (w.pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
      if (w.pid == 0) serve(*w.link);
      w.link->as_parent();
    }
  }
  forked_workers(const forked_workers&) = delete;
  forked_workers& operator=(const forked_workers&) = delete;
  ~forked_workers() {
    for (std::size_t i = 0; i < n_; ++i) workers_[i].link->send(leave);
    for (std::size_t i = 0; i < n_; ++i) {
      while (::waitpid(workers_[i].pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return n_; }
  void send(std::size_t w, message m) { workers_[w].link->send(m); }
  [[nodiscard]] message receive(std::size_t w) { return workers_[w].link->receive(); }

 private:
  struct worker {
    std::unique_ptr<Link> link;
    pid_t pid = 0;
  };
  [[noreturn]] static void serve(Link& link) {
    link.as_child();
    for (message m; (m = link.receive()) != leave;) link.send(m + 1);
    ::_exit(0);
  }
  std::array<worker, 16> workers_;
  std::size_t n_;
};

/// Maps n numbers, each worker `window` messages ahead; answers the sum of the results.
template <class Workers>
message map_over(Workers& all, std::size_t n) {
  std::size_t sent = 0, got = 0;
  message sum = 0;
  for (std::size_t ahead = 0; ahead < Workers::window; ++ahead) {
    for (std::size_t w = 0; w < all.size() && sent < n; ++w) all.send(w, static_cast<message>(sent++));
  }
  for (std::size_t w = 0; got < n; w = (w + 1) % all.size()) {
    sum += all.receive(w);
    ++got;
    if (sent < n) all.send(w, static_cast<message>(sent++));
  }
  return sum;
}

inline void check_sum(message sum, std::size_t n) {
  check(sum == static_cast<message>(n * (n + 1) / 2), "sum of all results");
}

/// Many tasks on workers that are there.
template <class Link>
class linked_map final : public contestant {
 public:
  nanos run(std::size_t n) override {
    message sum = 0;
    const auto took = timed([&] { sum = map_over(all_, n); });
    check_sum(sum, n);
    return took;
  }

 private:
  forked_workers<Link> all_;
};

/// One task at a time.
template <class Link>
class linked_each final : public contestant {
 public:
  nanos run(std::size_t n) override {
    message sum = 0;
    const auto took = timed([&] {
      for (std::size_t i = 0; i < n; ++i) {
        all_.send(0, static_cast<message>(i));
        sum += all_.receive(0);
      }
    });
    check_sum(sum, n);
    return took;
  }

 private:
  forked_workers<Link> all_;
};

/// Long enough for everybody to fall asleep.
inline constexpr auto nap = std::chrono::microseconds(500);

/// One task at a time, after everybody has fallen asleep.
template <class Link>
class linked_asleep final : public contestant {
 public:
  nanos run(std::size_t n) override {
    nanos took{};
    for (std::size_t i = 0; i < n; ++i) {
      std::this_thread::sleep_for(nap);
      message got = 0;
      took += timed([&] {
        all_.send(0, static_cast<message>(i));
        got = all_.receive(0);
      });
      check(got == static_cast<message>(i + 1), "a result");
    }
    return took;
  }

 private:
  forked_workers<Link> all_;
};

}  // namespace bench
