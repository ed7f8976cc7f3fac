#include "process/containment.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

#include "platform/pidfd.hpp"
#include "platform/subreaper.hpp"

namespace centimane::engine {
namespace {

using word = std::atomic<unsigned>;

/// Of this process, if it is a worker. Never unmapped: a task's thread may ask until the very end.
std::atomic<word*> own{nullptr};

bool among(pid_t pid, std::span<const pid_t> these) noexcept {
  return std::find(these.begin(), these.end(), pid) != these.end();
}

}  // namespace

containment_wish::containment_wish() : page_(platform::mapping::shared_with_children(sizeof(word))) {
  new (page_.data()) word(0);
}

bool containment_wish::made() const noexcept {
  return std::launder(reinterpret_cast<const word*>(page_.data()))->load() != 0;
}

void containment_wish::adopt() && noexcept {
  own.store(std::launder(reinterpret_cast<word*>(page_.data())));
  page_.forget();
}

void contain_processes() {
  word* const mine = own.load();
  if (mine == nullptr) {
    throw std::logic_error("centimane: contain_processes is for worker processes: pass it as their initializer");
  }
  (void)platform::children();  // the zygote asks the same when it is too late to refuse
  if (!platform::become_subreaper()) {
    throw std::system_error(errno, std::generic_category(), "centimane: contain_processes");
  }
  mine->store(1);
}

void adopted::reap(pid_t pid) noexcept {
  platform::reap(pid);
  std::erase(known_, pid);
}

std::size_t adopted::count_new(std::span<const pid_t> workers) {
  std::size_t n = 0;
  try {
    for (const pid_t pid : platform::children()) {
      if (among(pid, workers) || among(pid, known_)) continue;
      known_.push_back(pid);
      if (!among(getpgid(pid), workers)) ++n;  // else it ends with its group, and may be about to
    }
  } catch (const std::exception&) {
  }
  return n;
}

bool adopted::kill_all(std::span<const pid_t> workers) noexcept {
  bool any = false;
  try {
    for (const pid_t pid : platform::children()) {
      if (among(pid, workers)) continue;
      ::kill(pid, SIGKILL);  // unreaped: the pid is its own
      any = true;
    }
  } catch (const std::exception&) {
  }
  return any;
}

}  // namespace centimane::engine
