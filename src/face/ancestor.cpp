#include "face/ancestor.hpp"

#include <dirent.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>

#include "centimane/errors.hpp"
#include "face/child_life.hpp"
#include "face/servant.hpp"
#include "platform/descriptors.hpp"
#include "platform/limits.hpp"
#include "platform/message.hpp"
#include "platform/signal_hold.hpp"
#include "process/leave.hpp"
#include "process/worker.hpp"

namespace centimane::engine {
namespace {

int depth = 0;  ///< written in a new worker, before it has threads

struct ancestor {
  platform::fd socket;
  pid_t pid = 0, owner = 0;
  std::mutex lock;  ///< one question at a time
};

std::mutex& setup_lock() {
  static std::mutex& one = *new std::mutex;
  return one;
}
std::atomic<ancestor*> mine{nullptr};

struct answer {
  pid_t pid;
  int error;
};

/// Threads of this process; a sanitizer's own is discounted. 1 if it cannot be told.
int count_threads() {
  std::unique_ptr<DIR, int (*)(DIR*)> tasks(opendir("/proc/self/task"), &closedir);
  if (!tasks) return 1;
  int n = 0;
  while (const dirent* entry = readdir(tasks.get())) n += entry->d_name[0] != '.';
#if defined(__SANITIZE_THREAD__)
  if (n > 1) --n;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  if (n > 1) --n;
#endif
#endif
  return n;
}

/// The ancestor's life, and in its children the zygote's.
[[noreturn]] void be_ancestor(platform::fd socket, pid_t driver) noexcept {
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  std::signal(SIGINT, SIG_IGN);   // the terminal's Ctrl-C is the program's to handle
  std::signal(SIGCHLD, SIG_IGN);  // zygotes are reaped by the kernel: nobody asks how they ended
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != driver) leave_quietly(0);
  const int keep = socket.get();
  platform::close_all_but({&keep, 1});
  platform::ensure_standard();
  platform::silence_stdin();
  drop_inherited_output();
  for (;;) {
    char asked = 0;
    platform::received got;
    auto how = platform::receive_message(socket.get(), std::as_writable_bytes(std::span(&asked, 1)), got, true);
    if (how == platform::transfer::damaged) continue;
    if (how != platform::transfer::done || got.count != 1) leave_quietly(0);  // the program has ended
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGCHLD, SIG_DFL);
      try {
        socket.reset();
        zygote_hooks hooks;
        hooks.thread_lives = true;
        hooks.in_worker = [](worker_files files) {
          ++depth;
          cpp_servant face;
          serve_worker(std::move(files), face);
        };
        hooks.in_child = [](child_files files) {
          ++depth;
          return live_as_child(std::move(files));
        };
        serve_zygote(std::move(got.fds[0]), self, hooks);
      } catch (...) {
        leave_quietly(1);
      }
      leave_quietly(0);
    }
    const answer reply{child, child < 0 ? errno : 0};
    platform::send_message(socket.get(), std::as_bytes(std::span(&reply, 1)), {}, {}, true);
  }
}

/// After the user's fork the copy has no ancestor: its own would be another. The socket must not stay open in it, or
/// the ancestor would not see the program end.
void forget_in_child() {
  std::construct_at(&setup_lock());  // whoever forked may have held it, and is not here to let it go
  if (ancestor* a = mine.exchange(nullptr)) a->socket.reset();
}

ancestor* fork_ancestor() {
  if (const std::uint64_t have = platform::free_descriptors(); have < 2) {
    throw resource_limit("centimane: init needs 2 descriptors, and " + std::to_string(have) + " are left", 2, have);
  }
  auto made = std::make_unique<ancestor>();
  auto [ours, theirs] = platform::socket_pair();
  const pid_t driver = getpid();
  made->owner = driver;
  std::fflush(stdout);
  int error = 0;
  // The thread that forks must live as long as the process: the kernel ties "your parent has died" to it. The caller is
  // parked meanwhile, so the copy is as clean as that of a process with one thread.
  std::binary_semaphore forked(0);
  std::thread([&made, &forked, &error, ours = &ours, theirs = &theirs, driver] {
    {
      platform::signal_hold hold;
      pid_t pid = fork();
      if (pid == 0) {
        ours->reset();
        be_ancestor(std::move(*theirs), driver);
      }
      error = pid < 0 ? errno : 0;
      made->pid = pid;
    }
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);  // signals go to the program's own threads
    forked.release();
    for (;;) pause();
  }).detach();
  forked.acquire();
  if (error != 0) {
    throw start_failed(std::string("centimane: cannot fork the process that makes workers: ") + std::strerror(error));
  }
  made->socket = platform::move_high(std::move(ours));
  return made.release();
}

}  // namespace

int nesting() noexcept { return depth; }

void need_ancestor(bool by_name) {
  std::lock_guard guard(setup_lock());
  ancestor* there = mine.load();
  if (there != nullptr && there->owner == getpid()) return;
  if (depth >= 5) throw nesting_error("centimane: workers within workers, five deep: use threads in there");
  const int threads = count_threads();
  if (threads > 1) {
    if (by_name) {
      throw start_failed("centimane: init() must come first in main: this process already has " +
                         std::to_string(threads) + " threads, and a threaded process cannot be forked safely");
    }
    throw start_failed("centimane: call centimane::init() first in main: this process already has " +
                       std::to_string(threads) + " threads, and a threaded process cannot be forked safely");
  }
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, forget_in_child);
  mine.store(fork_ancestor());
}

zygote zygote_from_ancestor() {
  ancestor* a = mine.load();
  if (a == nullptr || a->owner != getpid()) {
    throw start_failed("centimane: call centimane::init() first in main");
  }
  auto [ours, theirs] = platform::socket_pair();
  answer reply{0, 0};
  {
    std::lock_guard guard(a->lock);
    const char ask = 'z';
    const int send[] = {theirs.get()};
    platform::received got;
    auto sent = platform::send_message(a->socket.get(), std::as_bytes(std::span(&ask, 1)), {}, send, true);
    if (sent == platform::transfer::done) {
      sent = platform::receive_message(a->socket.get(), std::as_writable_bytes(std::span(&reply, 1)), got, true);
      if (sent == platform::transfer::done && got.size != sizeof reply) sent = platform::transfer::damaged;
    }
    if (sent != platform::transfer::done) {
      throw start_failed(
          "centimane: the process that makes workers (forked by init) is gone; somebody has killed it, and a threaded "
          "program cannot fork another");
    }
  }
  if (reply.pid <= 0) {
    throw start_failed(std::string("centimane: cannot fork a zygote: ") + std::strerror(reply.error));
  }
  return zygote::born_elsewhere(std::move(ours), reply.pid);
}

}  // namespace centimane::engine
