// The shell around policy::fleet: carries out its orders on real channels and a real zygote, and reports to it what
// happened. One lock over everything here; it is never held across a large copy, a wait, or a call into a face. Drivers
// and the supervisor both work here: whoever holds the lock drains, pumps and leaves.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "memory/arena.hpp"
#include "platform/fork_generation.hpp"
#include "policy/fleet.hpp"
#include "process/bell.hpp"
#include "process/channel.hpp"
#include "process/control.hpp"
#include "process/inbox.hpp"
#include "process/obituary.hpp"
#include "process/parcel.hpp"
#include "process/pool.hpp"
#include "process/supervisor.hpp"
#include "process/tempo.hpp"

namespace centimane::engine {

struct definition {
  std::uint64_t id;
  std::shared_ptr<const control_body> body;
  bool kept = false;  ///< workers that know it do not forget it at the run's end
};

/// One run's place in a pool. Outlives its port while workers still hold tasks of it.
struct client {
  std::uint32_t of = 0;
  nanos limit = policy::never;    ///< task_timeout
  std::shared_ptr<client> trunk;  ///< whose branch this is: all but its tasks' recall is the trunk's; null: of none
  [[nodiscard]] client& root() noexcept { return trunk ? *trunk : *this; }
  inbox in;
  std::vector<definition> definitions;
  std::vector<std::unique_ptr<parcel>> parcels;
  std::vector<std::uint32_t> free_parcels;
  index outstanding = 0;                  ///< tasks submitted and without an outcome
  bool one_by_one = false;                ///< a limiter: only free workers are room
  bool failed = false;                    ///< a task of it came back with an error
  bool gone = false;                      ///< its port is gone: outcomes are dropped
  bool watched = false;                   ///< it wants times, and to hear of workers
  bool listens = false;                   ///< it wants to hear what its tasks say
  std::function<bool(const word&)> hear;  ///< what it says goes there; empty: in its inbox. True: as kick()
  bool asleep = false;                    ///< its driver sleeps on `woken`
  bool kicked = false;                    ///< its next wait returns at once
  const detail::alarm* alarm = nullptr;   ///< its driver sleeps elsewhere: called once, then taken back
  std::atomic<std::uint32_t> woken{0};
};

/// How far a worker's first task without a result has come.
inline policy::reach front_of(const channel_state& state) {
  return state.begun ? policy::reach::begun : state.claimed ? policy::reach::claimed : policy::reach::sent;
}

class pool_core final : public watched {
 public:
  explicit pool_core(pool_rules rules);
  ~pool_core();
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;

  void close(nanos grace);
  void prepare();
  std::size_t signal_all(int number, bool busy_only);
  bool signal_worker(pid_t pid, int number);
  [[nodiscard]] std::uint32_t workers() const noexcept { return rules_.workers; }
  [[nodiscard]] std::vector<worker_status> status();
  [[nodiscard]] std::int64_t zygote_pid();
  [[nodiscard]] std::uint64_t missed_bells();
  [[nodiscard]] std::uint64_t deaths() const noexcept { return deaths_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool usable() const noexcept { return platform::fork_generation() == born_; }

  // ---- for ports
  std::shared_ptr<client> enter(nanos limit, std::shared_ptr<client> trunk = {});
  void leave(client& who);
  std::uint64_t define(client& who, std::span<const std::byte> blob, bool keep);
  void depth(client& who, std::uint32_t n);
  void watch_for(client& who);
  void listen_for(client& who, std::function<bool(const word&)> hear);
  void overhear();
  index room(client& who);
  /// What is large in tasks is written there; any thread, without the pool's lock.
  [[nodiscard]] const std::shared_ptr<memory::arena>& arena() const noexcept { return arena_; }
  void submit(client& who, std::vector<std::unique_ptr<parcel>> sent, nanos limit);
  void recall(client& who, bool hard);
  /// Swaps the client's inbox with an empty one; false if nothing was there.
  bool take(client& who, inbox& into);
  /// Tells the log what has been noted. Under no lock: a log may do anything.
  void tell_notes();
  void wait(client& who, nanos until);
  bool arm(client& who, const detail::alarm* to);
  void away();
  void kick(client& who);

  // ---- for the supervisor
  void happened(std::uint64_t tag, bool readable, bool writable) override;
  nanos tick() override;
  void slept(nanos gap) override;

 private:
  /// What a slot of the fleet is made of while a worker lives in it.
  struct place {
    std::uint32_t life = 0;  ///< which worker in a row; tells stale notices
    std::unique_ptr<channel> ring;
    control_socket control;
    platform::fd pidfd;
    std::int64_t pid = 0;           ///< as the zygote tells it
    std::int64_t own_pid = 0;       ///< as it tells itself with `ready`, which may be read before
    nanos forked_at = 0;            ///< when it was asked for
    bool up = false;                ///< it said ready
    bool dead = false;              ///< its pidfd told so; its exit status may be on the way
    bool deaf = false;              ///< its control socket has ended
    nanos deaf_by = policy::never;  ///< deaf: by then it must be dead by itself
    bool leaving = false, killed_by_us = false;
    bool kill_when_known = false;                          ///< ordered before its pid came
    bool writes_wait = false;                              ///< the control socket is full
    std::deque<policy::task> ledger;                       ///< what it was sent and has no result
    std::unordered_map<std::uint32_t, std::size_t> knows;  ///< by run: how many of its definitions
    std::vector<std::uint64_t> knows_kept;                 ///< definitions that outlast their runs
    // What it has of the arena.
    struct loan {
      std::uint64_t task;  ///< the n-th that was sent to it
      std::vector<memory::lease> blocks;
    };
    memory::holder tenant = 0;
    std::uint64_t sent = 0;                           ///< tasks, less those taken back
    std::deque<loan> lent;                            ///< by tasks without a result
    std::unordered_set<memory::segment_number> maps;  ///< segments it was told of
    bool has_grants = false;                          ///< some may lie there unused
    bool lied = false;                                ///< named blocks that it does not have
    bool hoards = false;                              ///< keeps too much of what it was lent
    nanos mark = 0;                                   ///< since when its present results take
    std::uint64_t done = 0;
    nanos status_by = policy::never;  ///< dead: its exit status must come by then
    ending end;
    // A task timed out: its stack is awaited before the task is reported and before it is asked to stop.
    nanos stack_by = policy::never, stack_latest = policy::never, stack_look = policy::never;
    std::size_t text_before = 0;
    bool kill_after_stack = false, stop_after_stack = false;
    std::optional<policy::order> held_report;
  };

  using lock = std::unique_lock<std::mutex>;
  [[nodiscard]] nanos now() const;
  void pump(nanos at);
  void obey(const policy::order& what, nanos at);
  void fork_worker(std::uint32_t w, nanos at);
  void send(const policy::order& what, nanos at);
  void teach(place& p, client& who, std::uint32_t definitions);
  [[nodiscard]] bool keep(std::span<const std::byte> blob, definition& as);
  void let_go(const definition& what, bool good);
  void flush(std::uint32_t w);
  void report(const policy::order& what);
  void deliver(const policy::order& what, trouble why);
  void lose(policy::task t, std::shared_ptr<const trouble> why);
  void drain_all(nanos at);
  void drain(std::uint32_t w, nanos at);
  void hand_over_heavy(client& who, std::uint32_t w, const policy::task& t, const channel::result& r, std::uint32_t n);

  // ---- the arena (pool_freight.cpp)
  void show_segments(place& p, const cargo::load& what);
  void lend(place& p, const cargo::load& what, std::uint64_t task);
  void unlend(place& p, std::uint32_t n);
  void unload(place& p, bool kept);
  [[nodiscard]] std::optional<freight> accept(place& p, const channel::result& r, std::uint32_t n);
  void answer(std::uint32_t w, std::uint64_t bytes, nanos at);
  void post_grant(place& p, memory::grant&& what, std::uint64_t asked);
  void given_back(std::uint32_t w, control_message& what, nanos at);
  void caught_lying(std::uint32_t w, nanos at);
  void tidy();

  void note(std::string line);
  void notice(happening what, const place& p);
  void heard(const place& p, control_message& what);
  void settle(client& who, std::uint32_t parcel_number, index n);
  void wake(client& who);
  void pass_bell_on();

  void start_zygote(nanos at);
  void hear_zygote(nanos at);
  void zygote_gone(nanos at);
  void hear_worker(std::uint32_t w, nanos at);
  void bury(std::uint32_t w, nanos at);
  void clear(std::uint32_t w);
  void kill(std::uint32_t w);
  void signal(std::uint32_t w, int number);
  void condemn_deaf(std::uint32_t w, nanos at);
  void collect_stack(std::uint32_t w, nanos at);
  void check_clocks(nanos at);
  void listen();
  void unlisten();
  void announce();
  [[nodiscard]] bool anything_due() const;
  /// One of a place's clocks is set: the supervisor looks at it by then. Clearing one costs a look in vain.
  void by(nanos& clock, nanos when) { patience_ = std::min(patience_, clock = when); }
  /// What a descriptor of ours in the supervisor's epoll is.
  enum class watch : std::uint8_t { death = 1, control, zygote_socket, zygote_death, bell };
  [[nodiscard]] std::uint64_t tag(watch what, std::uint32_t w) const;

  const pool_rules rules_;
  const std::uint32_t born_ = platform::fork_generation();
  std::mutex mutex_;
  std::condition_variable closed_;
  std::optional<zygote> spare_zygote_;  ///< the first one, until it is wanted; made before there is a thread of ours
  std::shared_ptr<supervisor> supervisor_;
  std::uint16_t here_ = 0;
  policy::fleet fleet_;
  std::vector<place> places_;
  std::optional<zygote> zygote_;
  std::shared_ptr<const control_body> set_up_;
  bell bell_;
  enum class sleeper : std::uint8_t { nobody, driver, supervisor } sleeper_ = sleeper::nobody;
  client* on_bell_ = nullptr;
  std::map<std::uint32_t, std::shared_ptr<client>> clients_;
  std::uint32_t next_client_ = 1;
  std::uint64_t next_id_ = 1;  ///< of definitions
  /// For the next run that defines the same. One run has it at a time: what a task says is told apart by its
  /// definition.
  struct kept_definition {
    std::vector<std::byte> bytes;
    definition what;
    bool in_use = true;
  };
  std::deque<kept_definition> kept_;  ///< the one used last stands last
  tempo tempo_;
  const std::shared_ptr<memory::arena> arena_ = memory::arena::make();
  nanos tidy_by_ = policy::never;
  nanos skew_ = 0;  ///< how long the whole process was stopped
  nanos until_ = policy::never, supervisor_until_ = policy::never;
  nanos patience_ = policy::never;  ///< no place's clock rings earlier
  std::uint64_t oom_before_ = 0;
  ending last_failed_start_;
  trouble why_failed_;  ///< of a fleet that has given up: what ends later, killed by us, is no reason
  std::vector<std::string> notes_;
  std::atomic<bool> has_notes_{false};
  bool all_gone_ = false;
  std::uint64_t missed_bells_ = 0;
  std::atomic<std::uint64_t> deaths_{0};
};

}  // namespace centimane::engine
