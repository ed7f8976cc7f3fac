#include "process/zygote.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <iostream>
#include <string>
#include <system_error>

#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/fault.hpp"
#include "platform/message.hpp"
#include "platform/pidfd.hpp"
#include "platform/signal_hold.hpp"
#include "process/leave.hpp"
#include "process/zygote_words.hpp"

namespace centimane::engine {
namespace {

namespace words = zygote_words;

/// How long a zygote may take to end once its socket is closed; it is killed then.
constexpr std::int64_t patience = 1'000'000'000;

// ---- A copy of this process, made by the user's fork, holds copies of the sockets: a zygote whose driver becomes
// another program would not see its socket end. So each copy puts /dev/null in their place. The numbers stay taken
// until their owners close them.

std::array<std::atomic<int>, 64> open_sockets;

void let_go_in_child() {
  for (std::atomic<int>& one : open_sockets) {
    const int number = one.exchange(0, std::memory_order_relaxed);
    if (number <= 0) continue;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) continue;
    dup3(null, number, O_CLOEXEC);
    close(null);
  }
}

void remember(int socket) {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, let_go_in_child);
  for (std::atomic<int>& one : open_sockets) {
    int none = 0;
    if (one.compare_exchange_strong(none, socket, std::memory_order_relaxed)) return;
  }
}

void forget(int socket) noexcept {
  for (std::atomic<int>& one : open_sockets) {
    int it = socket;
    if (one.compare_exchange_strong(it, 0, std::memory_order_relaxed)) return;
  }
}

/// Nothing of the parent's handlers may run in the child.
void default_signals() noexcept {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);  // SIGKILL, SIGSTOP and libc's own refuse
}

[[noreturn]] void be_zygote(platform::fd socket, pid_t driver, const zygote_hooks& hooks) noexcept {
  try {
    if (!hooks.inherit) {
      default_signals();
      const int keep = socket.get();
      platform::close_all_but({&keep, 1});
    }
    platform::ensure_standard();
    platform::silence_stdin();
    drop_inherited_output();
    serve_zygote(std::move(socket), driver, hooks);
  } catch (...) {
    leave_quietly(1);
  }
  leave_quietly(0);
}

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

/// What posix_spawn is told; freed in any case.
struct spawn_orders {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  spawn_orders() {
    check(posix_spawn_file_actions_init(&files), "posix_spawn_file_actions_init");
    if (const int error = posix_spawnattr_init(&attributes)) {
      posix_spawn_file_actions_destroy(&files);
      check(error, "posix_spawnattr_init");
    }
  }
  ~spawn_orders() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
  }
  spawn_orders(const spawn_orders&) = delete;
  spawn_orders& operator=(const spawn_orders&) = delete;
};

constexpr int socket_number = 3;

int spawn_with(pid_t& pid, const char* path, char* const argv[], char* const envp[], int socket, bool close_rest) {
  spawn_orders orders;
  check(posix_spawn_file_actions_addopen(&orders.files, 0, "/dev/null", O_RDONLY, 0), "posix_spawn");
  for (int number = 1; number <= 2; ++number) {
    if (fcntl(number, F_GETFD) < 0) {
      check(posix_spawn_file_actions_addopen(&orders.files, number, "/dev/null", O_WRONLY, 0), "posix_spawn");
    }
  }
  check(posix_spawn_file_actions_adddup2(&orders.files, socket, socket_number), "posix_spawn");
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  if (close_rest) check(posix_spawn_file_actions_addclosefrom_np(&orders.files, socket_number + 1), "posix_spawn");
#else
  (void)close_rest;
#endif
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&orders.attributes, &all);
  posix_spawnattr_setsigmask(&orders.attributes, &none);
  posix_spawnattr_setflags(&orders.attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  return posix_spawn(&pid, path, &orders.files, &orders.attributes, argv, envp);
}

/// Has the child ended? Reaps it then. One that somebody else reaped has.
bool reaped(pid_t pid) noexcept {
  platform::exit_status how;
  if (!platform::child_ended(pid, how)) return false;
  if (how.known) platform::reap(pid);
  return true;
}

}  // namespace

zygote zygote::fork_here(const zygote_hooks& hooks) {
  auto [ours, theirs] = platform::socket_pair();
  zygote it;
  it.owner_ = getpid();
  std::cout.flush();
  {
    const platform::signal_hold hold;
    it.pid_ = hooks.fork ? hooks.fork() : ::fork();
    if (it.pid_ == 0) {
      ours.reset();
      be_zygote(std::move(theirs), it.owner_, hooks);
    }
  }
  if (it.pid_ < 0) throw std::system_error(errno, std::generic_category(), "centimane: cannot fork the zygote");
  it.adopt(std::move(ours));
  return it;
}

zygote zygote::spawn(const char* path, char* const argv[], char* const envp[]) {
  auto [ours, theirs] = platform::socket_pair();
  zygote it;
  it.owner_ = getpid();
  // Closing the rest needs close_range or /proc in the child; where neither is there, close-on-exec has to do.
  int error = spawn_with(it.pid_, path, argv, envp, theirs.get(), true);
  if (error == EPERM || error == ENOSYS || error == EBADF)
    error = spawn_with(it.pid_, path, argv, envp, theirs.get(), false);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), std::string("centimane: cannot start ") + path);
  }
  it.adopt(std::move(ours));
  return it;
}

zygote zygote::born_elsewhere(platform::fd socket, pid_t pid) {
  zygote it;
  it.owner_ = getpid();
  it.pid_ = pid;
  it.adopt(std::move(socket));
  return it;
}

void zygote::adopt(platform::fd socket) {
  socket_ = std::move(socket);
  remember(socket_.get());
  pidfd_ = platform::pidfd_open(pid_);
}

zygote::zygote(zygote&& other) noexcept
    : socket_(std::move(other.socket_)),
      pidfd_(std::move(other.pidfd_)),
      pid_(std::exchange(other.pid_, 0)),
      owner_(other.owner_),
      told_(other.told_) {}

zygote& zygote::operator=(zygote&& other) noexcept {
  if (this != &other) {
    end();
    socket_ = std::move(other.socket_);
    pidfd_ = std::move(other.pidfd_);
    pid_ = std::exchange(other.pid_, 0);
    owner_ = other.owner_;
    told_ = other.told_;
  }
  return *this;
}

zygote::~zygote() { end(); }

void zygote::end() noexcept {
  if (pid_ <= 0) return;
  if (socket_) forget(socket_.get());
  socket_.reset();
  const pid_t pid = std::exchange(pid_, 0);
  if (getpid() != owner_) return;  // a copy made by the user's fork: the zygote is not its child
  std::int64_t latest = platform::now() + patience;
  bool killed = false;
  while (!reaped(pid)) {
    const std::int64_t left = latest - platform::now();
    if (left <= 0) {
      if (killed) break;  // in the kernel's uninterruptible sleep: nothing helps, and nobody shall wait for it
      killed = true;
      latest = platform::now() + patience;
      if (!pidfd_ || !platform::pidfd_signal(pidfd_.get(), SIGKILL))
        ::kill(pid, SIGKILL);  // unreaped: the pid is its own
      continue;
    }
    if (pidfd_) {
      pollfd what{pidfd_.get(), POLLIN, 0};
      poll(&what, 1, static_cast<int>(left / 1'000'000) + 1);
    } else {
      const timespec moment{0, 500'000};
      nanosleep(&moment, nullptr);
    }
  }
  pidfd_.reset();
}

bool zygote::request(std::uint64_t ticket, int task, int result, int text, int page, int bell, int control) {
  const words::request what{words::ask::fork, 0, ticket};
  const std::array<int, words::files> files{task, result, text, page, bell, control};
  return platform::send_message(socket_.get(), std::as_bytes(std::span(&what, 1)), {}, files, false) ==
         platform::transfer::done;
}

bool zygote::request_child(std::uint64_t ticket, const std::array<int, child_files::sent_files>& files) {
  words::request what{words::ask::child, 0, ticket};
  std::array<int, child_files::sent_files> there{};
  std::size_t n = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i] < 0) continue;
    what.detail |= 1 << i;
    there[n++] = files[i];
  }
  return platform::send_message(socket_.get(), std::as_bytes(std::span(&what, 1)), {}, std::span(there).first(n),
                                false) == platform::transfer::done;
}

bool zygote::kill(std::uint64_t ticket, int signal) {
  const words::request what{words::ask::kill, signal, ticket};
  return platform::send_message(socket_.get(), std::as_bytes(std::span(&what, 1)), {}, {}, false) ==
         platform::transfer::done;
}

std::optional<zygote::notice> zygote::receive() {
  if (told_) return std::nullopt;
  words::reply heard{};
  platform::received got;
  const auto how = platform::receive_message(socket_.get(), std::as_writable_bytes(std::span(&heard, 1)), got, false);
  if (how == platform::transfer::full) return std::nullopt;
  notice n{};
  // A pidfd that found no room in our table (EMFILE) is as if there were none: the zygote reports the death and sends
  // the kills.
  const bool cut = how == platform::transfer::damaged && errno == EMFILE;
  if ((how != platform::transfer::done && !cut) || got.size != sizeof heard) {
    told_ = true;
    n.what = notice::gone;
    return n;
  }
  n.ticket = heard.ticket;
  n.pid = heard.pid;
  switch (heard.what) {
    case words::tell::forked:
      n.what = notice::forked;
      n.pidfd = std::move(got.fds[0]);
      break;
    case words::tell::failed:
      n.what = notice::failed;
      n.error = heard.error;
      break;
    case words::tell::exited:
      n.what = notice::exited;
      n.signal = heard.signal;
      n.exit_code = heard.exit_code;
      n.left = heard.left;
      break;
  }
  return n;
}

}  // namespace centimane::engine
