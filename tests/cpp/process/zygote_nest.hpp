// What tests of zygotes share: a zygote whose workers obey commands that come over their control sockets, and waits
// that end a test that hangs instead of hanging with it.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "leak_check.hpp"
#include "platform/clock.hpp"
#include "platform/pidfd.hpp"
#include "process/containment.hpp"
#include "process/control.hpp"
#include "process/zygote.hpp"

namespace centimane::test {

namespace platform = centimane::platform;
using engine::control;
using engine::control_body;
using engine::control_socket;
using engine::worker_files;
using engine::zygote;
using engine::zygote_hooks;

/// Far above anything that happens in time: a wait that takes longer is a hang.
inline constexpr int hang = 60'000;

inline bool readable(int fd, int patience = hang) {
  pollfd what{fd, POLLIN, 0};
  return poll(&what, 1, patience) == 1;
}

inline std::shared_ptr<const control_body> text_body(const std::string& text) {
  return std::make_shared<const control_body>(std::as_bytes(std::span(text)));
}

enum class order : std::uint32_t { exit_with, raise_signal, spin, describe, breed, breed_daemon, contain };

/// A child that has left the caller's group and its family. Answers its pid.
inline pid_t daemon() {
  int tell[2];
  if (pipe2(tell, O_CLOEXEC) != 0) return -1;
  const pid_t between = fork();
  if (between == 0) {
    setsid();
    const pid_t it = fork();
    if (it == 0) {
      for (;;) pause();
    }
    (void)!write(tell[1], &it, sizeof it);
    _exit(0);
  }
  close(tell[1]);
  pid_t it = -1;
  (void)!read(tell[0], &it, sizeof it);
  close(tell[0]);
  waitpid(between, nullptr, 0);
  return it;
}

/// One line for each thing that a worker's surroundings must be.
inline std::string surroundings() {
  std::string all;
  all += "group " + std::string(getpgrp() == getpid() ? "own" : "foreign") + "\n";
  struct sigaction action {};
  sigaction(SIGINT, nullptr, &action);
  all += std::string("SIGINT ") + (action.sa_handler == SIG_IGN ? "ignored" : "not ignored") + "\n";
  sigaction(SIGTERM, nullptr, &action);
  all += std::string("SIGTERM ") + (action.sa_handler == SIG_DFL ? "default" : "changed") + "\n";
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  int blocked = 0;
  for (int i = 1; i < NSIG; ++i) blocked += sigismember(&mask, i) == 1 ? 1 : 0;
  all += "blocked " + std::to_string(blocked) + "\n";
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  all += "core " + std::to_string(core.rlim_cur) + "\n";
  for (const std::string& name : detail::entries("/proc/self/fd")) {
    char target[256]{};
    if (readlink(("/proc/self/fd/" + name).c_str(), target, sizeof target - 1) < 0) continue;
    all += "fd " + name + " " + target + "\n";
  }
  return all;
}

/// A worker's life: reports, then obeys.
inline void obey(worker_files files) {
  control_socket control_end(std::move(files.control));
  control_end.post(control::ready);
  while (auto got = control_end.receive_blocking()) {
    const auto argument = static_cast<int>(got->id & 0xFFFFFFFFU);
    switch (static_cast<order>(got->id >> 32)) {
      case order::exit_with:
        _exit(argument);
      case order::raise_signal:
        raise(argument);
        break;
      case order::spin:
        for (volatile unsigned i = 0;;) i = i + 1;
      case order::describe:
        control_end.post(control::log, 0, text_body(surroundings()));
        control_end.flush_blocking();
        break;
      case order::breed: {
        const pid_t child = fork();
        if (child == 0) {
          for (;;) pause();
        }
        control_end.post(control::log, static_cast<std::uint64_t>(child));
        break;
      }
      case order::breed_daemon:
        control_end.post(control::log, static_cast<std::uint64_t>(daemon()));
        break;
      case order::contain:
        engine::contain_processes();
        break;
    }
  }
}

/// A zygote and what its driver knows.
class nest {
 public:
  explicit nest(zygote_hooks hooks = {}) : nest(with(std::move(hooks)), 0) {}
  explicit nest(zygote z) : zygote_(std::move(z)) {}

  /// Forks a worker; answers its control socket once it has said ready.
  std::unique_ptr<control_socket> worker(std::uint64_t ticket) {
    auto end = ask(ticket);
    const zygote::notice n = hear();
    if (n.what != zygote::notice::forked || n.ticket != ticket) throw std::runtime_error("no worker was forked");
    pids_[ticket] = n.pid;
    pidfds_[ticket] = std::make_shared<platform::fd>(std::move(const_cast<zygote::notice&>(n).pidfd));
    if (!readable(end->get())) throw std::runtime_error("hang: the worker does not report");
    const auto first = end->receive_blocking();
    if (!first || first->kind != control::ready) throw std::runtime_error("the worker is not ready");
    return end;
  }
  std::unique_ptr<control_socket> ask(std::uint64_t ticket) {
    auto [mine, theirs] = control_socket::make_pair();
    const platform::fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    const int n = null.get();
    if (!zygote_.request(ticket, n, n, n, n, n, theirs.get())) throw std::runtime_error("the zygote takes no request");
    return std::make_unique<control_socket>(std::move(mine));
  }
  zygote::notice hear() {
    for (;;) {
      if (auto n = zygote_.receive()) return std::move(*n);
      if (!readable(zygote_.socket())) throw std::runtime_error("hang: the zygote says nothing");
    }
  }
  [[nodiscard]] pid_t pid(std::uint64_t ticket) const { return pids_.at(ticket); }
  [[nodiscard]] int pidfd(std::uint64_t ticket) const { return pidfds_.at(ticket)->get(); }
  zygote& operator*() { return zygote_; }
  zygote* operator->() { return &zygote_; }

 private:
  nest(const zygote_hooks& hooks, int) : zygote_(zygote::fork_here(hooks)) {}
  static zygote_hooks with(zygote_hooks hooks) {
    if (!hooks.in_worker) hooks.in_worker = obey;
    return hooks;
  }
  zygote zygote_;
  std::map<std::uint64_t, pid_t> pids_;
  std::map<std::uint64_t, std::shared_ptr<platform::fd>> pidfds_;
};

inline void command(control_socket& to, order what, int argument = 0) {
  to.post(control::define,
          std::uint64_t{static_cast<std::uint32_t>(what)} << 32 | static_cast<std::uint32_t>(argument));
}

inline bool stopped(pid_t pid) {
  const std::string stat = detail::contents("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t at = stat.rfind(')');
  return at != std::string::npos && stat[at + 2] == 'T';
}

}  // namespace centimane::test
