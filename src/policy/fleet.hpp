// policy::fleet: which worker of a process pool does what. Pure: no thread, clock, system call or value;
// single-threaded, the pool's lock is around it. It owns every fact about workers: who lives, what each was sent, what
// is known to have begun, attempt clocks, blame, re-sending, restarts, recycling. It never retries what has begun: it
// reports `died` or `overtime`, and policy::run decides.
//
// The shell (src/process) reports what happened (events) and asks next(now) what to do (orders), again and again until
// the answer is `wait` or `closed`; after any event it asks again. Every call carries the time, which never goes back.
// What each order asks of the shell stands beside it below. A claim is no event (it would cost a wake-up a task): the
// shell reads the worker's channel when the worker exits and when asked to look. Each item of a submitted task is
// either published or reported, exactly once.
//
// Cost: O(1) an event and an order, for a range of any length; O(log workers) a timer; recall, close and fail
// O(workers + ranges).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "centimane/detail/words.hpp"

namespace centimane::policy {

/// A worker's place in the fleet: a dense index from 0. A fleet of n workers has n + 1 places, so that an heir comes up
/// before its elder goes; a place that is empty again is used again.
using worker = std::uint32_t;

/// `count` consecutive items of one run on their way. A range is cut wherever it must be: claimed, taken back and
/// blamed item by item.
struct task {
  std::uint32_t of = 0;  ///< which run
  std::uint32_t attempt = 1;
  index item = 0;            ///< the first
  index count = 1;           ///< more than 0
  nanos limit = never;       ///< the longest an attempt may take
  std::uint32_t parcel = 0;  ///< the shell's own, carried along
  std::uint8_t resent = 0;   ///< how often it was claimed by a worker that died before it began
  bool alone = false;        ///< runs on a worker that holds nothing else: it may have killed one before
};

/// How far an item has come.
enum class reach : std::uint8_t { queued, sent, claimed, begun };

/// Why a fleet gave up: its workers or its zygote fail to start again and again; the machine has no room for a single
/// worker.
enum class failure : std::uint8_t { none, starts, resources };

struct fleet_rules {
  std::uint32_t workers = 2;
  std::uint32_t depth = 1;                 ///< most items that one worker holds (set_depth)
  std::uint64_t max_tasks = UINT64_MAX;    ///< a worker is sent no more than that in its life
  nanos soft_grace = 1'000'000'000;        ///< between soft_stop and kill; 0: kill at once
  nanos exit_grace = 1'000'000'000;        ///< between retire and kill
  nanos start_limit = 30'000'000'000;      ///< between fork and ready
  nanos idle_after = never;                ///< a worker without work is retired after that
  nanos backoff = 100'000'000;             ///< after a failed start; doubles up to eight times that
  std::uint32_t start_failures = 5;        ///< that many failed starts within
  nanos failure_window = 10'000'000'000;   ///< … that time, and the fleet fails
  nanos resource_retry = 1'000'000'000;    ///< a fork refused for want of resources is tried again after that
  nanos resource_limit = 10'000'000'000;   ///< without any worker for that long, the fleet fails
  nanos kill_limit = 5'000'000'000;        ///< a process that outlives its SIGKILL by that is abandoned
  nanos full_retry = 1'000'000;            ///< an empty worker whose channel refused a task is tried again after that
  nanos unclaimed_limit = 60'000'000'000;  ///< a worker that leaves a timed task unclaimed for that (and for its limit)
                                           ///< is killed: somebody has stopped it
  std::uint8_t resends = 3;                ///< of an item that was claimed and did not begin
};

struct order {
  enum kind : std::uint8_t {
    start_zygote,  ///< answered later by zygote_up or zygote_lost
    fork,          ///< a process for place `to`; answered later by ready, start_error or fork_failed
    send,          ///< append the items of t to `to`'s tasks; full() before the next next() if they do not all fit
    take_back,  ///< drain `to` (published), take back those of its last n tasks that are unclaimed, from the tail; at
                ///< once, answered by taken() before the next next(), be it 0
    look,       ///< drain `to` (published), read how far its first task without a result is; at once, answered by
                ///< seen() before the next next(). Also asked of a killed one, before it is abandoned
    soft_stop,  ///< ask the running task t to stop; it is settled: its report came before
    kill,       ///< SIGKILL, at the latest when its fork is answered; then exited, or start_error if it never was
                ///< ready. A process that is already dead is no error
    retire,     ///< it holds nothing: let it leave; answered later by exited
    abandon,    ///< it outlives its SIGKILL: report no more about it; the place may be forked into at once
    report,     ///< the items of t ended without a result: tell their run
    fail,       ///< the fleet has given up (`why`), once; all it held and is given later is reported with `why`
    wait,       ///< nothing to do before the next event or `until`
    closed      ///< after close(): all is reported, all places are empty; the answer from then on
  } what = wait;
  worker to = UINT32_MAX;        ///< report: the worker that held it, UINT32_MAX if none
  task t{};                      ///< send, soft_stop, report
  outcome how = outcome::value;  ///< report: died, overtime, cancelled or unsent
  reach where = reach::queued;   ///< report: died + begun: it was running; died + claimed: `resends` exhausted; died +
                                 ///< queued or sent: `why`
  failure why = failure::none;   ///< fail, and the reports that follow from it (how = died)
  std::uint32_t n = 0;           ///< take_back: how many, from the tail
  nanos until = never;           ///< wait
};

class fleet {
 public:
  static constexpr std::uint32_t max_depth = 4096;
  static constexpr worker nobody = UINT32_MAX;

  /// workers > 0; depth is clamped to [1, max_depth]; max_tasks > 0.
  explicit fleet(const fleet_rules& rules);
  ~fleet();
  fleet(fleet&&) noexcept;
  fleet& operator=(fleet&&) noexcept;

  // ---- work
  /// Takes a range of any length. After close or fail it is reported at once. An item whose attempt 1, 2, … died under
  /// it runs alone.
  void submit(const task& t, nanos now);
  /// Workers are forked as if n items more were queued, once: for a run with a limiter, which submits only what begins
  /// at once, and for who wants the first task to find its worker up.
  void prepare(worker n, nanos now);
  /// Most items that one worker holds from now on; [1, max_depth].
  void set_depth(std::uint32_t n);
  /// Same for one run: its items go only to workers that hold fewer than n (1: only to free ones). 0: as the fleet's;
  /// also the way to let go of the run's name. A run is known while it has a depth or items.
  void set_depth(std::uint32_t of, std::uint32_t n);
  /// Queued items of that run are reported `unsent`, held and unclaimed ones are taken back and reported so (others'
  /// tasks behind them go back to the queue), running ones go on; hard: running ones are settled `cancelled` at once,
  /// soft stop, kill after soft_grace. Until nothing of the run is left here, what is submitted for it is `unsent` too.
  /// Idempotent; soft may be followed by hard.
  void recall(std::uint32_t of, bool hard, nanos now);
  /// Takes everything back, reports it `cancelled`, lets what runs go on for `grace`, then kills. Idempotent: only ever
  /// shortens the grace.
  void close(nanos grace, nanos now);

  // ---- the zygote
  void zygote_up(nanos now);
  /// It ended, or did not start. Places that were not ready yet are empty from now on: report no more about them. Ready
  /// workers die with it (they are killed, to be sure) and each is still reported by exited.
  void zygote_lost(nanos now);

  // ---- a worker
  /// It is up and takes tasks.
  void ready(worker w, nanos now);
  /// It died, or its set-up raised (and it is dead), before it was ready.
  void start_error(worker w, nanos now);
  /// No process: the fork was refused. resource: for want of memory, processes or descriptors.
  void fork_failed(worker w, bool resource, nanos now);
  /// The first n tasks it holds have a result (value or error). Reported on drain, also for the dead, before exited. If
  /// settled(w), the first of them was reported already and its result is to be dropped.
  void published(worker w, index n, nanos now);
  /// Answer to take_back: the last n are ours again.
  void taken(worker w, index n, nanos now);
  /// Answer to send: its last n items did not fit, 0 < n <= its count. They go back to the front of the queue; w is
  /// sent nothing until its next published.
  void full(worker w, index n, nanos now);
  /// Answer to look: how far its first task without a result has come (sent, claimed or begun), and since when it runs.
  void seen(worker w, reach front, nanos since, nanos now);
  /// It is gone; all it published was reported. front: how far its first task without a result had come: sent, claimed
  /// or begun.
  void exited(worker w, reach front, nanos now);
  /// It cannot be trusted or lives no longer than it must (it broke the protocol, closed its socket, outgrew its
  /// memory): kill it.
  void condemn(worker w, nanos now);
  /// It asks to be replaced (or the shell wants it): what it has not begun is taken back, then it is retired.
  void recycle(worker w, nanos now);

  // ---- what next
  [[nodiscard]] order next(nanos now);

  // ---- questions; each O(1)
  /// How many items of that run may be submitted now without piling up: what the workers take and as much again. With a
  /// depth of 1: only as many as there are free workers, so that what is submitted begins at once; but one, for which a
  /// worker is forked if there are not all of them yet (prepare() avoids that wait), or which has its turn when a task
  /// ends if other runs hold them all. After close or fail, when all that is submitted is reported at once: plenty.
  [[nodiscard]] index room(std::uint32_t of) const;
  /// Was the first task that w holds reported already (overtime, cancelled)? Then its result is to be dropped.
  [[nodiscard]] bool settled(worker w) const;
  [[nodiscard]] index held(worker w) const;             ///< items sent to it and not ended
  [[nodiscard]] index held() const;                     ///< by all workers
  [[nodiscard]] index queued() const;                   ///< items in the queue
  [[nodiscard]] index pending(std::uint32_t of) const;  ///< of that run, queued or held
  [[nodiscard]] std::uint64_t done(worker w) const;     ///< results it has published
  [[nodiscard]] std::uint32_t depth() const;
  [[nodiscard]] worker places() const;        ///< workers + 1
  [[nodiscard]] worker free_workers() const;  ///< ready, holding nothing, may be sent something
  [[nodiscard]] worker living() const;        ///< places that are not empty
  enum class life : std::uint8_t { absent, starting, open, soft, leaving, dying };
  /// open: takes tasks; soft: asked to stop a task; leaving: asked to leave; dying: killed.
  [[nodiscard]] life state(worker w) const;
  [[nodiscard]] failure failed() const;
  [[nodiscard]] bool closing() const;

 private:
  class machine;
  std::unique_ptr<machine> me_;
};

}  // namespace centimane::policy
