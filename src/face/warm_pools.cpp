#include "face/warm_pools.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <list>
#include <mutex>
#include <vector>

#include "centimane/cpu_count.hpp"
#include "centimane/log.hpp"
#include "face/ancestor.hpp"
#include "platform/cgroup.hpp"

namespace centimane::engine {
namespace {

/// Kept even if nobody uses them.
constexpr std::size_t most_idle_pools = 4;
/// Workers that had nothing to do for so long leave; the next run forks new ones.
constexpr nanos idle_after = 300'000'000'000;
constexpr nanos grace_at_exit = 1'000'000'000;

struct shelf {
  std::mutex lock;
  struct entry {
    std::size_t workers, max_tasks;
    std::vector<std::byte> set_up;
    std::shared_ptr<pool> it;
  };
  std::list<entry> warm;  ///< latest used first
  pid_t owner = getpid();
};

shelf*& the_shelf() {
  static shelf* one = nullptr;
  return one;
}

/// A process that was forked from ours starts with an empty shelf; what it inherited is its parent's.
shelf& my_shelf() {
  static std::mutex& lock = *new std::mutex;
  std::lock_guard guard(lock);
  shelf*& s = the_shelf();
  if (s == nullptr || s->owner != getpid()) s = new shelf;
  [[maybe_unused]] static const int registered = std::atexit([] { close_warm_pools(grace_at_exit); });
  return *s;
}

std::size_t workers_of(const pool_wish& wish) {
  if (wish.workers != 0) return wish.workers;
  return nesting() > 0 ? 1 : cpu_count();  // whoever nests has its processors taken by its siblings
}

/// A worker that takes too much memory would end the driver too, and no outcome would tell of it. Said once, by the
/// driver, and under no lock: a handler of log() may want a pool itself.
void warn_of_group_kill() {
  static std::atomic<bool> said = false;
  if (nesting() > 0 || said.exchange(true)) return;
  const std::string group = platform::group_killed_whole();
  if (group.empty()) return;
  log(log_level::warning, "when memory runs out the kernel ends every process of " + group +
                              ", this one with its workers (memory.oom.group is 1)");
}

}  // namespace

std::shared_ptr<pool> new_pool(const pool_wish& wish) {
  need_ancestor(false);
  warn_of_group_kill();
  pool_rules rules;
  rules.workers = static_cast<std::uint32_t>(workers_of(wish));
  if (wish.max_tasks != 0) rules.max_tasks = wish.max_tasks;
  rules.idle_after = idle_after;
  rules.set_up.assign(wish.set_up.begin(), wish.set_up.end());
  rules.make_zygote = zygote_from_ancestor;
  // It belongs to no run that what a handler throws could end.
  rules.log = [](const std::string& line) {
    try {
      log(log_level::warning, line);
    } catch (...) {
    }
  };
  return pool::open(std::move(rules));
}

std::shared_ptr<pool> warm_pool(const pool_wish& wish) {
  warn_of_group_kill();
  shelf& s = my_shelf();
  const std::size_t workers = workers_of(wish);
  std::vector<std::shared_ptr<pool>> surplus;  // closed outside the lock
  std::lock_guard guard(s.lock);
  for (auto at = s.warm.begin(); at != s.warm.end(); ++at) {
    if (at->workers == workers && at->max_tasks == wish.max_tasks && std::ranges::equal(at->set_up, wish.set_up)) {
      s.warm.splice(s.warm.begin(), s.warm, at);
      return at->it;
    }
  }
  auto made = new_pool(wish);
  s.warm.push_front({workers, wish.max_tasks, {wish.set_up.begin(), wish.set_up.end()}, made});
  for (auto at = s.warm.end(); at != s.warm.begin() && s.warm.size() > most_idle_pools;) {
    --at;
    if (at->it.use_count() == 1) {
      surplus.push_back(std::move(at->it));
      at = s.warm.erase(at);
    }
  }
  return made;
}

void close_warm_pools(nanos grace) {
  shelf* const mine = the_shelf();
  if (mine == nullptr || mine->owner != getpid()) return;
  std::list<shelf::entry> pools;
  {
    std::lock_guard hold(mine->lock);
    pools.swap(mine->warm);
  }
  for (auto& e : pools) e.it->close(grace);
}

}  // namespace centimane::engine
