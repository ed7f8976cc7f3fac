// What tasks leave behind outside of their worker's process group: daemons, by setsid or a double fork. Their zygote
// adopts them, being the subreaper of its workers: it reaps them, counts them at the end of their worker, and ends them
// with it if the worker has asked for that.
//
// A worker that asks becomes a subreaper itself. So where all workers of a pool ask, what their zygote adopts belongs
// to workers that have ended, and may be killed whole.
#pragma once
#include <sys/types.h>

#include <span>
#include <vector>

#include "platform/mapping.hpp"

namespace centimane::engine {

/// A worker's wish that what its tasks start ends with it: a page that it shares with its zygote and nobody else, and
/// that can be read when it is dead.
class containment_wish {
 public:
  containment_wish();  ///< before the fork. Throws std::system_error
  // ---- in the zygote
  /// Workers that are forked from now on do not get the page.
  void keep_from_siblings() noexcept { page_.keep_from_children(); }
  [[nodiscard]] bool made() const noexcept;
  // ---- in a worker
  /// Of a sibling's: the page is not there, so there is nothing to unmap.
  void forget() noexcept { page_.forget(); }
  /// This one is the present process's own, for contain_processes.
  void adopt() && noexcept;

 private:
  platform::mapping page_;
};

/// In a worker: what its tasks start ends with it from now on. Throws std::logic_error elsewhere, std::system_error
/// where the system does not tell a process its children.
void contain_processes();

/// The zygote's adopted children.
class adopted {
 public:
  /// Reaps one that has ended.
  void reap(pid_t pid) noexcept;
  /// Those that are there, are none of the workers and in no worker's group, and were not there before.
  /// 0 where the kernel does not tell.
  std::size_t count_new(std::span<const pid_t> workers);
  /// Kills all that are there but the workers. False: there was none.
  static bool kill_all(std::span<const pid_t> workers) noexcept;

 private:
  std::vector<pid_t> known_;
};

}  // namespace centimane::engine
