#include "process/children.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>

#include "centimane/errors.hpp"
#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/fault.hpp"

namespace centimane::engine {
namespace {

/// How many zygotes in a row may be gone before one of them was asked.
constexpr unsigned most_tries = 3;
/// How long a look waits for the status of a process that has ended.
constexpr nanos status_patience = 1'000'000'000;
/// How soon a request that found no room in the zygote's socket is made again.
constexpr nanos ask_again = 1'000'000;
/// How often a process that has lost its zygote is looked at: it is being killed.
constexpr nanos look_again = 2'000'000;

constexpr const char* lost_text =
    "centimane: the process that forks others (the zygote) has ended before it had answered; what it wrote to stderr "
    "may "
    "say why";

bool readable(int fd, nanos until) {
  for (;;) {
    const nanos left = until == 0 ? 0 : until - platform::now();
    const int milliseconds = left <= 0 ? 0 : static_cast<int>(std::min<nanos>(left / 1'000'000 + 1, 1'000'000'000));
    pollfd what{fd, POLLIN, 0};
    const int n = poll(&what, 1, until == policy::never ? -1 : milliseconds);
    if (n > 0) return true;
    if (n == 0 && (until == 0 || platform::now() >= until)) return false;
    if (n < 0 && errno == EINTR) return false;  // the caller looks at the clock, and its own caller at signals
  }
}

}  // namespace

child::child(std::shared_ptr<children> home, std::uint64_t ticket, child_files files)
    : home_(std::move(home)), ticket_(ticket), files_(std::move(files)) {}

child::~child() {
  if (platform::fork_generation() != home_->born_) return;  // the lock may be held by a thread that does not exist here
  const std::lock_guard held(home_->mutex_);
  home_->open_.erase(ticket_);
}

bool child::born(nanos until) {
  home_->check();
  children::lock held(home_->mutex_);
  for (;;) {
    switch (life_) {
      case life::wanted:
        home_->ask(*this, held);
        break;
      case life::asked:
        home_->hear();
        if (life_ != life::asked) break;
        if (platform::now() >= until) return false;
        home_->listen(held, until);
        break;
      case life::refused:
        if (error_ == EMFILE || error_ == ENFILE) {
          throw resource_limit(
              "centimane: no descriptors are left for another process; close some, or raise RLIMIT_NOFILE");
        }
        if (error_ == ECONNRESET) throw start_failed(lost_text);
        throw start_failed("centimane: cannot fork a process: " + std::generic_category().message(error_));
      default:
        return true;
    }
    if (life_ == life::wanted && platform::now() >= until) return false;
  }
}

void child::look_at_alone() {
  if (!readable(sentinel_.get(), 0)) return;
  life_ = life::over;
  how_ = {true, SIGKILL, -1};
}

std::optional<platform::exit_status> child::ended(nanos until) {
  if (platform::fork_generation() != home_->born_) throw pool_forked("centimane: this process belongs to our parent");
  children::lock held(home_->mutex_);
  bool dead = false;
  for (;;) {
    home_->hear();
    if (life_ == life::alone) look_at_alone();
    if (life_ == life::over) return how_;
    if (!dead && readable(sentinel_.get(), 0)) {
      dead = true;
      until = std::max(until, platform::now() + status_patience);
    }
    if (platform::now() >= until) return std::nullopt;
    if (life_ == life::alone) {
      held.unlock();
      readable(sentinel_.get(), std::min(until, platform::now() + look_again));
      held.lock();
    } else {
      home_->listen(held, until);
    }
  }
}

bool child::signal(int number) {
  home_->check();
  const children::lock held(home_->mutex_);
  home_->hear();
  if (life_ == life::alone) look_at_alone();
  if (life_ != life::alive && life_ != life::alone) return false;
  if (has_pidfd_) return platform::pidfd_signal(sentinel_.get(), number);
  return home_->zygote_ && home_->zygote_->kill(ticket_, number);
}

std::shared_ptr<children> children::open(std::function<zygote()> make_zygote) {
  return std::shared_ptr<children>(new children(std::move(make_zygote)));
}

children::~children() = default;

void children::check() const {
  if (platform::fork_generation() != born_) {
    throw pool_forked("centimane: this process was started by the process that we were forked from");
  }
}

std::unique_ptr<child> children::start(child_files files) {
  check();
  const lock held(mutex_);
  std::unique_ptr<child> made(new child(shared_from_this(), next_ticket_++, std::move(files)));
  open_.emplace(made->ticket_, made.get());
  return made;
}

void children::close() {
  if (platform::fork_generation() != born_) return;
  const lock held(mutex_);
  lose();
}

pid_t children::zygote_pid() {
  const lock held(mutex_);
  hear();
  return zygote_ ? zygote_->pid() : 0;
}

std::size_t children::count() {
  const lock held(mutex_);
  hear();
  return static_cast<std::size_t>(std::count_if(open_.begin(), open_.end(), [](const auto& one) {
    return one.second->life_ != child::life::over && one.second->life_ != child::life::refused;
  }));
}

void children::ask(child& who, lock& held) {
  if (!zygote_) {
    if (who.tries_++ == most_tries) {
      throw start_failed(lost_text);
    }
    zygote_ = std::make_shared<zygote>(make_());
  }
  if (zygote_->pidfd() < 0 && !who.sentinel_) {  // this kernel has no pidfds
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "centimane: pipe");
    who.sentinel_ = platform::fd(ends[0]);
    who.files_.death = platform::fd(ends[1]);
  }
  std::array<int, child_files::sent_files> numbers{};
  const auto sent = who.files_.sent();
  std::transform(sent.begin(), sent.end(), numbers.begin(), [](const platform::fd* one) { return one->get(); });
  if (zygote_->request_child(who.ticket_, numbers)) {
    who.life_ = child::life::asked;
    return;
  }
  hear();  // it is gone, or its socket is full
  if (zygote_) listen(held, platform::now() + ask_again);
}

/// Everything that the zygote has said. Under the lock.
void children::hear() {
  while (zygote_) {
    std::optional<zygote::notice> heard = zygote_->receive();
    if (!heard) return;
    if (heard->what == zygote::notice::gone) return lose();
    const auto found = open_.find(heard->ticket);
    if (found == open_.end()) {
      if (heard->what == zygote::notice::forked) zygote_->kill(heard->ticket, SIGKILL);  // nobody wants it any more
      continue;
    }
    child& who = *found->second;
    switch (heard->what) {
      case zygote::notice::forked:
        who.files_ = {};
        who.pid_ = heard->pid;
        who.has_pidfd_ = static_cast<bool>(heard->pidfd);
        if (who.has_pidfd_) {
          who.sentinel_ = std::move(heard->pidfd);
        } else if (!who.sentinel_) {  // there was no room for the pidfd in our table
          zygote_->kill(heard->ticket, SIGKILL);
          who.life_ = child::life::refused;
          who.error_ = EMFILE;
          break;
        }
        who.life_ = child::life::alive;
        break;
      case zygote::notice::failed:
        who.files_ = {};
        who.life_ = child::life::refused;
        who.error_ = heard->error;
        break;
      case zygote::notice::exited:
        if (who.life_ == child::life::refused) break;
        who.life_ = child::life::over;
        who.how_ = {heard->signal != 0 || heard->exit_code >= 0, heard->signal, heard->exit_code};
        break;
      case zygote::notice::gone:
        break;
    }
  }
}

/// The zygote is gone: what it forked goes with it. What it was asked for is not asked of another: it may have begun.
void children::lose() {
  zygote_.reset();
  for (const auto& one : open_) {
    child& who = *one.second;
    if (who.life_ == child::life::asked) {
      who.life_ = child::life::refused;
      who.error_ = ECONNRESET;
    }
    if (who.life_ == child::life::alive) who.life_ = child::life::alone;
  }
  news_.notify_all();
}

/// Sleeps until the zygote has said something that this or another thread has read, until then or until a signal came.
void children::listen(lock& held, nanos until) {
  if (!zygote_) return;
  if (reading_) {
    const nanos left = std::min<nanos>(until - platform::now(), 1'000'000'000);
    news_.wait_for(held, std::chrono::nanoseconds(std::max<nanos>(left, 0)));
    return;
  }
  reading_ = true;
  const std::shared_ptr<zygote> it = zygote_;
  held.unlock();
  readable(it->socket(), until);
  held.lock();
  reading_ = false;
  hear();
  news_.notify_all();
}

}  // namespace centimane::engine
