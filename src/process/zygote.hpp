// The clean, single-threaded process that forks workers. It runs no user code of its own, forks on request in about a
// millisecond, reports each exit, and ends with its driver, taking all workers along (whatever ends the driver).
//
// Messages over a SOCK_SEQPACKET pair. Requests: fork {ticket} + descriptors, of a pool's worker; child {ticket, which}
// + descriptors, of a process that runs one function; kill {ticket, signal}, for drivers without pidfds. Reply: forked
// {ticket, pid} + pidfd, or failed {ticket, errno}. Notice: exited {ticket, pid, waitid status}.
//
// Its end has three causes, each enough: the driver's pidfd becomes readable (death, whichever thread had forked), the
// socket ends (the driver closed it, or became another program), its parent is no longer the driver (looked at where
// pidfds are refused).
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "platform/fd.hpp"

namespace centimane::engine {

/// What a worker is given, all by descriptor.
struct worker_files {
  platform::fd task, result, text, page, bell, control;
};

/// What a process that runs one function is given. It is no worker: it has no channel, stands in its driver's process
/// group, and what it starts outlives it as after any program.
struct child_files {
  platform::fd payload;       ///< what it is to do
  platform::fd in, out, err;  ///< its standard streams; those that are missing become /dev/null
  platform::fd more;          ///< its face's own
  platform::fd death;         ///< open as long as it lives: for drivers without pidfds
  platform::fd driver;        ///< not sent: the zygote's pidfd of its driver, which can be waited for
  platform::fd mail;          ///< not sent: where memory goes that it makes and sends on (mail.hpp)
  static constexpr std::size_t sent_files = 6;
  /// Those that are sent, in their order.
  [[nodiscard]] std::array<platform::fd*, sent_files> sent() noexcept {
    return {&payload, &in, &out, &err, &more, &death};
  }
};

// ---- the zygote's own side
/// How a face forks and what its children do.
struct zygote_hooks {
  std::function<pid_t()> fork;                  ///< empty: ::fork(); Python's wraps it in PyOS_BeforeFork/AfterFork
  std::function<void(worker_files)> in_worker;  ///< runs a worker's life in the child; _exit(0) follows
  /// Runs a process of one function; answers its exit code. Empty: there are none here.
  std::function<int(child_files)> in_child = {};
  /// Loads what every worker would load for itself. Called once: when nothing has been asked for a while, or before
  /// the third worker. The first two do not wait for it: a short program has no more, and ends before it pays.
  std::function<void()> warm_up = {};
  /// start="fork": workers keep the descriptors and signal dispositions that the zygote was started with. Else
  /// fork_here closes all descriptors but 0-2 and sets all signals to their defaults; a spawned zygote's dispositions
  /// are its program's own in any case.
  bool inherit = false;
  /// The thread that starts the zygote lives as long as the process: its death may be used as a second line
  /// (PDEATHSIG). Reaches even a zygote that is stopped.
  bool thread_lives = false;
};
/// The zygote's life: serves requests until the driver is gone, then ends its workers and returns; the caller leaves by
/// _exit. `driver`: pid of the driver, which is the parent of this process.
void serve_zygote(platform::fd socket, pid_t driver, const zygote_hooks& hooks);

// ---- the driver's side
/// A zygote as its driver sees it. Used by the supervisor under its pool's lock.
class zygote {
 public:
  /// Forks this process; the child serves with `hooks` and never returns. The calling thread must be the process's only
  /// one, or the user asked for start="fork". Throws std::system_error.
  static zygote fork_here(const zygote_hooks& hooks);
  /// Starts another program as zygote; its descriptor 3 is the socket. argv, envp as for posix_spawn; stdin is
  /// /dev/null.
  static zygote spawn(const char* path, char* const argv[], char* const envp[]);

  /// A zygote that another process of ours forked on request (a C++ program, threaded by now, has such a one forked by
  /// the process that init() left behind). `pid` is not our child; `socket` is the other end of the one it serves.
  static zygote born_elsewhere(platform::fd socket, pid_t pid);

  zygote(zygote&&) noexcept;
  zygote& operator=(zygote&&) noexcept;
  ~zygote();  ///< closes the socket: the zygote ends, its workers with it

  /// Asks for a worker; never blocks. False: the socket is full or broken, ask again later.
  bool request(std::uint64_t ticket, int task, int result, int text, int page, int bell, int control);
  /// Asks for a process that runs one function, with these for child_files::sent; -1: none. As above.
  bool request_child(std::uint64_t ticket, const std::array<int, child_files::sent_files>& files);
  /// Asks the zygote to send a signal to the worker of that ticket: for drivers whose `forked` notice came without a
  /// pidfd. A worker that is gone already is no error. False: the socket is full or broken.
  bool kill(std::uint64_t ticket, int signal);

  struct notice {
    enum kind : std::uint8_t { forked, failed, exited, gone } what;
    std::uint64_t ticket = 0;
    pid_t pid = 0;
    platform::fd pidfd;  ///< forked
    int error = 0;       ///< failed: errno
    int signal = 0;      ///< exited: by this signal, or
    int exit_code = -1;  ///< with this code; neither: unknown
    int left = 0;        ///< exited: processes that its tasks had detached from it, and that are still there
  };
  /// The next notice, not waiting. `gone` is told once.
  std::optional<notice> receive();
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  zygote() = default;
  void adopt(platform::fd socket);
  void end() noexcept;
  platform::fd socket_, pidfd_;
  pid_t pid_ = 0;
  pid_t owner_ = 0;    ///< the process that started it; a copy of that process must not wait for it
  bool told_ = false;  ///< that it is gone
};

}  // namespace centimane::engine
