// The zygote's own side: one thread that forks, watches and reports. It blocks all signals (nothing but its driver's
// end stops it), allocates little, and waits in one place only.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/fault.hpp"
#include "platform/message.hpp"
#include "platform/named_memory.hpp"
#include "platform/pidfd.hpp"
#include "platform/poller.hpp"
#include "platform/process_identity.hpp"
#include "platform/subreaper.hpp"
#include "process/birth.hpp"
#include "process/containment.hpp"
#include "process/leave.hpp"
#include "process/lifeline.hpp"
#include "process/mail.hpp"
#include "process/zygote.hpp"
#include "process/zygote_words.hpp"

namespace centimane::engine {
namespace {

namespace words = zygote_words;
using policy::nanos;

/// How far a worker is above its zygote in the eyes of the out-of-memory killer.
constexpr int oom_above = 300;
/// Without pidfds: how often the parent is compared.
constexpr nanos look_at_parent = 100'000'000;
/// Without pidfds and without signalfd: how often children are looked at.
constexpr nanos look_at_children = 10'000'000;
/// How long a zygote with a worker has had nothing to do when it warms up, and which worker does not do without.
constexpr nanos warm_after = 100'000'000;
constexpr unsigned warm_for = 3;
/// How soon a notice that found no room in the socket is sent again.
constexpr nanos send_again = 2'000'000;
/// How long the end waits for killed workers to be gone (one in the kernel's uninterruptible sleep may not go).
constexpr nanos last_wait = 500'000'000;

int own_oom_score() noexcept {
  const platform::fd file(open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
  std::array<char, 16> text{};
  if (!file || read(file.get(), text.data(), text.size() - 1) <= 0) return 0;
  return std::atoi(text.data());
}

/// All signals wait while it lives.
class all_blocked {
 public:
  all_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~all_blocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  all_blocked(const all_blocked&) = delete;
  all_blocked& operator=(const all_blocked&) = delete;

 private:
  sigset_t before_{};
};

class nursery {
 public:
  nursery(platform::fd socket, pid_t driver, const zygote_hooks& hooks)
      : socket_(platform::move_high(std::move(socket))), driver_(driver), hooks_(hooks), poller_(std::in_place) {
    oom_score_ = std::min(1000, own_oom_score() + oom_above);
    poller_->add(socket_.get(), socket_tag);
    driver_pidfd_ = platform::pidfd_open(driver);
    exact_ = static_cast<bool>(driver_pidfd_);
    if (exact_) poller_->add(driver_pidfd_.get(), driver_tag);
    platform::become_subreaper();
    sigset_t exits;
    sigemptyset(&exits);
    sigaddset(&exits, SIGCHLD);
    deaths_ = platform::fd(signalfd(-1, &exits, SFD_CLOEXEC | SFD_NONBLOCK));
    if (deaths_) poller_->add(deaths_.get(), deaths_tag);
    if (hooks.in_child) {
      mail_.emplace();
      poller_->add(mail_->incoming(), mail_tag);
    }
  }

  void live() {
    std::array<platform::poller::event, 64> events;
    bool serving = getppid() == driver_;  // it may have ended before its pidfd was opened, and the pid been given away
    while (serving) {
      const std::size_t n = poller_->wait(events, until());
      if (n == 0 && platform::now() >= warm_at_) warm_up();
      // Deaths first: a kill request that comes with one must not meet the next owner of a ticket.
      bool asked = false, ended = false;
      for (std::size_t i = 0; i < n; ++i) {
        if (events[i].tag == driver_tag) serving = false;
        if (events[i].tag == socket_tag) asked = true;
        if (events[i].tag == deaths_tag) ended = true;
        if (events[i].tag == mail_tag) mail_->take();
        if (events[i].tag >= first_serial) bury(events[i].tag);
      }
      if (ended || sweeping_ || !exact_) look_around();
      if (!exact_) serving = serving && getppid() == driver_;
      if (serving && asked) serving = serve();
      tell();
      if (mail_) mail_by_ = mail_->look(platform::now());
    }
    end_all();
    // What the driver and its workers named in shared memory and nobody unlinked, if the driver could not do so itself.
    platform::sweep_memory();
  }

 private:
  static constexpr std::uint64_t socket_tag = 0, driver_tag = 1, deaths_tag = 2, mail_tag = 3, first_serial = 16;

  struct child {
    std::uint64_t ticket, serial;
    pid_t pid;
    std::shared_ptr<platform::fd> pidfd;  ///< shared with the notice that hands it on
    platform::fd lifeline;
    std::optional<containment_wish> contained;  ///< none: it is no worker
    [[nodiscard]] bool contains() const noexcept { return contained && contained->made(); }
  };
  struct word {
    words::reply what;
    std::shared_ptr<platform::fd> pidfd;
  };

  [[nodiscard]] nanos until() const {
    nanos t = policy::never;
    if (!exact_) t = platform::now() + (deaths_ ? look_at_parent : look_at_children);
    if (sweeping_ && !deaths_) t = platform::now() + look_at_children;
    if (!outbox_.empty()) t = std::min(t, platform::now() + send_again);
    return std::min({t, warm_at_, mail_by_});
  }

  /// All requests that are there. False: the driver is gone.
  bool serve() {
    for (;;) {
      words::request asked{};
      platform::received got;
      const auto how =
          platform::receive_message(socket_.get(), std::as_writable_bytes(std::span(&asked, 1)), got, false);
      if (how == platform::transfer::full) return true;
      if (how == platform::transfer::damaged && errno == EMFILE && got.size == sizeof asked) {
        refuse(asked.ticket, EMFILE);
        continue;
      }
      if (how != platform::transfer::done || got.size != sizeof asked) return false;
      if (asked.what == words::ask::kill) {
        kill(asked.ticket, asked.detail);
      } else if (asked.what == words::ask::child && hooks_.in_child) {
        bear_child(asked.ticket, asked.detail, got);
      } else if (asked.what == words::ask::fork && got.count == words::files) {
        bear_worker(asked.ticket, got);
      } else {
        refuse(asked.ticket, EPROTO);
      }
    }
  }

  void kill(std::uint64_t ticket, int signal) {
    const auto who =
        std::find_if(children_.begin(), children_.end(), [&](const child& c) { return c.ticket == ticket; });
    if (who != children_.end()) ::kill(who->pid, signal);  // unreaped: the pid is its own
  }

  void bear_worker(std::uint64_t ticket, platform::received& got) {
    worker_files files{std::move(got.fds[0]), std::move(got.fds[1]), std::move(got.fds[2]),
                       std::move(got.fds[3]), std::move(got.fds[4]), std::move(got.fds[5])};
    bear(ticket, true, [&](pid_t self, platform::fd line, std::optional<containment_wish> wish) {
      be_worker(self, std::move(files), std::move(line), std::move(*wish));
    });
  }

  void bear_child(std::uint64_t ticket, std::int32_t which, platform::received& got) {
    child_files files;
    std::size_t next = 0;
    for (std::size_t i = 0; i < child_files::sent_files; ++i) {
      if ((which >> i & 1) == 0) continue;
      if (next == got.count) return refuse(ticket, EPROTO);
      *files.sent()[i] = std::move(got.fds[next++]);
    }
    bear(ticket, false, [&](pid_t self, platform::fd line, std::optional<containment_wish>) {
      be_child(self, std::move(files), std::move(line));
    });
  }

  /// Forks a process that lives by `life`, which does not return.
  template <class Life>
  void bear(std::uint64_t ticket, bool worker, Life life) {
    try {
      lifeline line = make_lifeline();
      if (!line.zygote) return refuse(ticket, errno);
      children_.reserve(children_.size() + 1);  // nothing may fail between the fork and the entry
      auto pidfd = std::make_shared<platform::fd>();
      std::optional<containment_wish> contained;
      if (worker) contained.emplace();
      const pid_t self = getpid();
      if (++births_ == warm_for) warm_up();
      CENTIMANE_FAULT("zygote.before_fork");
      errno = 0;
      pid_t pid = -1;
      if (const int refused = CENTIMANE_FAULT_ERRNO("zygote.fork")) {
        errno = refused;
      } else {
        pid = hooks_.fork ? hooks_.fork() : ::fork();
      }
      if (pid == 0) {
        life(self, std::move(line.worker), std::move(contained));
        leave(1);  // not reached
      }
      if (pid < 0) return refuse(ticket, errno != 0 ? errno : EAGAIN);
      CENTIMANE_FAULT("zygote.after_fork");
      // Here and there: whoever comes first, the group exists before anybody relies on it.
      if (worker) setpgid(pid, pid);
      *pidfd = platform::pidfd_open(pid);
      if (exact_ && !*pidfd) {
        const int refused = errno;
        ::kill(pid, SIGKILL);
        platform::reap(pid);
        return refuse(ticket, refused);
      }
      const std::uint64_t serial = next_serial_++;
      if (contained) contained->keep_from_siblings();
      children_.push_back({ticket, serial, pid, pidfd, std::move(line.zygote), std::move(contained)});
      say({words::tell::forked, pid, ticket, 0, 0, -1, 0}, *pidfd ? pidfd : nullptr);
      if (*pidfd) poller_->add(pidfd->get(), serial);
      if (births_ < warm_for && hooks_.warm_up && !warm_) warm_at_ = platform::now() + warm_after;
    } catch (const std::system_error& failed) {
      refuse(ticket, failed.code().value());
    } catch (const std::exception&) {
      refuse(ticket, ENOMEM);
    }
  }

  void warm_up() {
    warm_at_ = policy::never;
    if (!std::exchange(warm_, true) && hooks_.warm_up) hooks_.warm_up();
  }

  [[noreturn]] void be_worker(pid_t zygote, worker_files files, platform::fd line, containment_wish wish) noexcept {
    CENTIMANE_FAULT("worker.start");
    std::move(wish).adopt();
    forget_siblings();
    if (hooks_.inherit) {
      // What it inherits by its own wish is the user's; what the zygote holds is not. A sibling's lifeline above all.
      children_.clear();
      outbox_.clear();
      poller_.reset();
      driver_pidfd_.reset();
      deaths_.reset();
      socket_.reset();
    }
    be_born({zygote, hooks_.inherit, oom_score_}, files, std::move(line));
    let_signals_in();
    hooks_.in_worker(std::move(files));
    leave(0);
  }

  [[noreturn]] void be_child(pid_t zygote, child_files files, platform::fd line) noexcept {
    CENTIMANE_FAULT("child.start");
    forget_siblings();
    files.driver = std::move(driver_pidfd_);
    files.mail = mail_->leave_to_child();
    be_born({zygote, false, oom_score_, getpgid(driver_)}, files, std::move(line));
    lend_by_mail(std::move(files.mail), self_);
    let_signals_in();
    const int code = hooks_.in_child(std::move(files));
    flush_output();
    leave_quietly(code);  // to a leak checker what the zygote holds would be lost here
  }

  void forget_siblings() noexcept {
    for (child& sibling : children_) {
      if (sibling.contained) sibling.contained->forget();
    }
  }

  void refuse(std::uint64_t ticket, int error) { say({words::tell::failed, 0, ticket, error, 0, -1, 0}, nullptr); }

  void say(const words::reply& what, std::shared_ptr<platform::fd> pidfd) {
    outbox_.push_back({what, std::move(pidfd)});
    tell();
  }

  void tell() {
    while (!outbox_.empty()) {
      const word& w = outbox_.front();
      const int pidfd = w.pidfd ? w.pidfd->get() : -1;
      const std::span<const int> along = w.pidfd ? std::span(&pidfd, 1) : std::span<const int>();
      const auto how = platform::send_message(socket_.get(), std::as_bytes(std::span(&w.what, 1)), {}, along, false);
      if (how == platform::transfer::full) return;
      outbox_.pop_front();  // gone: its end is seen elsewhere
    }
  }

  /// Somebody has ended: a worker, which its own pidfd tells too where there is one, or one of the adopted.
  void look_around() {
    if (deaths_) {
      signalfd_siginfo unused;
      while (read(deaths_.get(), &unused, sizeof unused) > 0) {
      }
    }
    for (std::size_t i = children_.size(); i-- > 0;) {  // bury erases
      if (platform::exit_status how; platform::child_ended(children_[i].pid, how)) bury(children_[i].serial);
    }
    reap_adopted();
    // Whoever is killed leaves its own children to us.
    if (sweeping_) sweeping_ = adopted::kill_all(pids());
  }

  void reap_adopted() {
    while (const pid_t pid = platform::ended_child()) {
      const auto worker =
          std::find_if(children_.begin(), children_.end(), [&](const child& c) { return c.pid == pid; });
      if (worker != children_.end()) return;  // it has just ended, and is told next; so are those behind it
      adopted_.reap(pid);
    }
  }

  [[nodiscard]] std::vector<pid_t> pids() const {
    std::vector<pid_t> all;
    for (const child& c : children_) all.push_back(c.pid);
    return all;
  }

  void bury(std::uint64_t serial) {
    const auto who =
        std::find_if(children_.begin(), children_.end(), [&](const child& c) { return c.serial == serial; });
    if (who == children_.end()) return;
    platform::exit_status how;
    if (!platform::child_ended(who->pid, how)) return;
    CENTIMANE_FAULT("zygote.before_reap");
    // What the task left behind in its group goes with it. The unreaped worker still holds the group's number.
    if (how.known && who->contained) ::kill(-who->pid, SIGKILL);
    const auto left = static_cast<std::int32_t>(adopted_.count_new(pids()));
    platform::reap(who->pid);
    if (*who->pidfd) poller_->remove(who->pidfd->get());
    const bool contained = who->contains();
    const words::reply last{words::tell::exited, who->pid, who->ticket, 0, how.signal, how.signal != 0 ? -1 : how.code,
                            contained ? 0 : left};
    children_.erase(who);
    if (contained) sweeping_ = adopted::kill_all(pids());
    CENTIMANE_FAULT("zygote.before_notice");
    say(last, nullptr);
  }

  void end_all() {
    for (const child& c : children_) {
      ::kill(c.pid, SIGKILL);
      if (c.contained) ::kill(-c.pid, SIGKILL);
    }
    const nanos latest = platform::now() + last_wait;
    for (const child& c : children_) {
      platform::exit_status how;
      while (!platform::child_ended(c.pid, how) && platform::now() < latest) usleep(500);
      if (!how.known) continue;
      if (c.contained) ::kill(-c.pid, SIGKILL);  // what was forked between the two
      platform::reap(c.pid);
    }
    if (!sweeping_ && std::none_of(children_.begin(), children_.end(), [](const child& c) { return c.contains(); }))
      return;
    children_.clear();
    while (adopted::kill_all({}) && platform::now() < latest) {
      usleep(500);
      reap_adopted();
    }
  }

  platform::fd socket_, driver_pidfd_, deaths_;
  const pid_t driver_;
  const zygote_hooks& hooks_;
  std::optional<platform::poller> poller_;
  std::optional<mailbox> mail_;  ///< of processes of one function
  nanos mail_by_ = policy::never;
  const platform::process_identity self_ = platform::this_process_identity();
  int oom_score_ = 0;
  unsigned births_ = 0;
  bool warm_ = false;
  nanos warm_at_ = policy::never;
  bool exact_ = false;
  std::vector<child> children_;
  std::deque<word> outbox_;
  adopted adopted_;
  bool sweeping_ = false;  ///< a contained worker has ended, and not all that it left is gone
  std::uint64_t next_serial_ = first_serial;
};

}  // namespace

void serve_zygote(platform::fd socket, pid_t driver, const zygote_hooks& hooks) {
  const all_blocked during;
  setpgid(0, 0);  // the terminal's signals are for the driver
  platform::ensure_standard();
  signal(SIGCHLD, SIG_DFL);  // inherited as "ignored" it would make the kernel forget how workers ended
  if (hooks.thread_lives) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != driver) return;
  }
  nursery(std::move(socket), driver, hooks).live();
}

}  // namespace centimane::engine
