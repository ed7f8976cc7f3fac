// A process pool: policy::fleet, the channels and the zygote behind one lock, with the supervisor watching deaths and
// clocks. Several runs use one pool at once, each through a process_port.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "process/inbox.hpp"
#include "process/zygote.hpp"
#include "run/port.hpp"

namespace centimane::engine {

struct pool_rules {
  std::uint32_t workers = 2;
  std::uint64_t max_tasks = UINT64_MAX;  ///< a worker leaves after that many
  nanos idle_after = policy::never;      ///< a worker without work leaves after that
  nanos soft_grace = 1'000'000'000;      ///< between soft stop and SIGKILL; 0: no soft stop
  nanos exit_grace = 1'000'000'000;
  nanos stack_patience = 60'000'000;  ///< how long a timed-out task's stack may take to be written
  nanos start_limit = 30'000'000'000;
  std::vector<std::byte> set_up;  ///< goes to servant::set_up of every worker
  std::function<zygote()>
      make_zygote;  ///< called by pool::open and again when a zygote was lost (on the engine thread then)
  /// What is worth a line, and belongs to no task. Called by drivers and by who closes the pool, under no lock of
  /// ours and never by the engine's thread; may be empty.
  std::function<void(const std::string&)> log;
};

/// What status() tells of one worker.
struct worker_status {
  int index = 0;
  std::int64_t pid = 0;
  const char* state = "";  ///< "starting", "idle", "running", "stopped", "leaving"
  std::uint64_t done = 0;  ///< tasks it has finished
};

class pool_core;
struct client;

/// Shared handle. The last one to go closes the pool.
class pool {
 public:
  /// Starts nothing but the zygote. Throws std::invalid_argument, std::system_error, start_failed.
  static std::shared_ptr<pool> open(pool_rules rules);
  ~pool();
  /// Idempotent, any thread: takes back what has not begun (its runs see `cancelled`), lets what runs go on for
  /// `grace`, then kills. Returns when all workers are gone.
  void close(nanos grace);
  /// Starts all workers now, not with the first tasks. Any thread; nobody waits for them.
  void prepare();
  /// Sends a signal to all workers, or to those only that have a task. Any thread. By pidfd or by the zygote: never to
  /// a stranger who was given a dead worker's number. Answers to how many.
  std::size_t signal(int number, bool busy_only);
  /// The same to the worker that has that process id. False: no worker has it, and nothing is sent.
  bool signal_worker(pid_t pid, int number);
  [[nodiscard]] std::uint32_t workers() const;
  [[nodiscard]] std::vector<worker_status> status() const;
  /// The process that forks this pool's workers; 0 while there is none.
  [[nodiscard]] std::int64_t zygote_pid() const;
  /// How often a driver found results only because its sleep has a cap: a lost wake-up each, so always 0.
  [[nodiscard]] std::uint64_t missed_bells() const;
  /// How many workers have died that nobody had asked to leave.
  [[nodiscard]] std::uint64_t deaths() const;
  /// Blocks of large data that are in use: by tasks under way, by results that are looked into.
  [[nodiscard]] std::uint64_t leases() const;
  /// After a fork by the user, in the child: everything refuses with pool_forked.
  [[nodiscard]] bool usable() const noexcept;

 private:
  friend class process_port;
  explicit pool(std::shared_ptr<pool_core> core);
  std::shared_ptr<pool_core> core_;
};

/// A run's place in a pool.
class process_port final : public port {
 public:
  /// task_timeout: policy::never for none. Throws pool_closed, pool_forked.
  process_port(std::shared_ptr<pool> where, payload& work, nanos task_timeout = policy::never);
  ~process_port() override;  ///< recalls; tasks still running end unread
  /// Gives workers a function; each gets it before the first task that is started after this call. Answers its id.
  /// keep: it is the same thing whenever it is read (a name, not a value), so workers may keep it for the next run that
  /// says the same.
  std::uint64_t define(std::span<const std::byte> blob, bool keep = false);
  /// At most that many items of this run wait in workers (a limiter: 1, and only free hands). 0: as the pool measures
  /// best.
  void depth(std::uint32_t n);

  index room() override;
  void start(index first, index n, std::uint32_t attempt) override;
  void recall(bool hard) override;
  bool collect(events& to) override;
  void wait(nanos until) override;
  bool arm(const detail::alarm* to) override;
  void watch() override;
  void listen() override;
  void overhear() override;
  void away() override;
  /// The same for one who never collects: each word goes to `hear` as it comes, on any thread and under the pool's
  /// lock, where nothing may be waited for. True: as kick(). Before the first start.
  void listen(std::function<bool(const word&)> hear);

  // ---- for whoever carries single tasks rather than a run. Any thread, several at once, but fetch() and wait()
  /// start() with a limit of the tasks' own; policy::never: none.
  void start(index first, index n, std::uint32_t attempt, nanos limit);
  /// Starts an item that can be recalled alone, until it has its outcome. Answers under which name.
  std::uint32_t start_branch(index item, std::uint32_t attempt, nanos limit);
  void recall_branch(std::uint32_t branch, bool hard);
  /// Its item has its outcome, or nobody wants it any more.
  void leave_branch(std::uint32_t branch);
  /// collect() in two steps: takes over what came, for inbox::tell_one; tells at once what was refused.
  bool fetch(inbox& into, events& to);

  /// Ends the wait() that the driver's thread is in, if it is in one; it may return without news. Any thread.
  void kick() noexcept;

 private:
  struct place;
  void start(client& who, index first, index n, std::uint32_t attempt, nanos limit);
  std::unique_ptr<place> me_;
};

}  // namespace centimane::engine
