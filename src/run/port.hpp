// A run's view of an executor: the one interface that sequential, threads, processes and remote engines implement, with
// one conformance suite. The driver is its only caller, on one thread.
#pragma once
#include "centimane/detail/payload.hpp"
#include "centimane/detail/sleeper.hpp"
#include "policy/run.hpp"

namespace centimane::engine {

/// Something that happened beside outcomes, or along with one: what a watched run is told of.
struct happening {
  enum kind : std::uint8_t {
    run_begun,
    attempt_ended,    ///< item, attempt, worker, how, final, times (as far as they are known)
    retry_scheduled,  ///< item, attempt (the next), until (its earliest start)
    worker_started,   ///< worker, pid, from (forked), at (ready). from 0: it was there before the run
    worker_died,      ///< worker, pid, signal, exit_code
    worker_recycled,  ///< worker, pid: it has left in order, a successor may follow
    task_timed_out,   ///< item, attempt, worker, pid, until - from (its limit)
    taken_back,       ///< item, count, worker, pid: they go to another one
    limiter_paused,   ///< until
    run_ended         ///< how it ended in `end`
  } what;
  nanos at = 0, from = 0, until = 0;
  index item = 0, count = 1;
  std::uint32_t attempt = 0;
  int worker = -1;
  std::int64_t pid = 0;
  policy::outcome how = policy::outcome::value;
  bool final = false;
  int signal = 0, exit_code = -1;
  policy::status end = policy::status::completed;
  phase_times times = {};
};

/// What a task says beside its outcome: text, a log record. The engine carries it; its face knows what it is.
struct word {
  std::uint8_t kind = 0;  ///< the face's; 0: `text` is the number of words that were dropped, a std::uint64_t
  index item = 0;
  int worker = -1;
  std::int64_t pid = 0;
  std::span<const std::byte> text;
};

/// What a port reports. Called only from within port::collect, on the driver's thread.
class events {
 public:
  /// Values of [first, first + n) are in place (the executor shares our memory). Attempt 1 of each.
  virtual void values(index first, index n, int worker) = 0;
  /// One attempt that ran where it could store by itself (thread, sequential) ended with `v`.
  virtual void invoked(index item, std::uint32_t attempt, int worker, verdict v) = 0;
  /// A worker's record for one attempt: still to be decoded.
  virtual void returned(index item, std::uint32_t attempt, int worker, bool ok, verdict v, reader record) = 0;
  /// An attempt that did not come back, or was never sent (how = unsent: no attempt, no error).
  virtual void lost(index item, std::uint32_t attempt, const trouble& why) = 0;
  /// The item could not be encoded; the payload holds its error.
  virtual void refused(index item, std::uint32_t attempt, verdict v) = 0;
  /// Watched runs: said before `values` of one item, `invoked` or `returned`: when that attempt took place.
  virtual void timed(const phase_times&) {}
  /// Watched runs: what became of workers, and what was taken back from them.
  virtual void noticed(const happening&) {}
  /// Runs that listen: what a task has said. All that it said before its outcome is told before overhear() returns.
  virtual void heard(const word&) {}

 protected:
  ~events() = default;
};

class port {
 public:
  port() = default;
  port(const port&) = delete;
  port& operator=(const port&) = delete;
  virtual ~port() = default;

  /// How many items it takes now. With a limiter: free hands only, so that a token is spent at a start, not in a queue.
  virtual index room() = 0;
  /// Takes [first, first + n) as attempt `attempt`; n <= room().
  virtual void start(index first, index n, std::uint32_t attempt) = 0;
  /// With a limiter: what it takes beyond its free hands, each to draw its own token as it begins.
  virtual policy::further further() { return {}; }
  /// Takes them so; n <= further().room.
  virtual void start_drawing(index first, index n, std::uint32_t attempt) { start(first, n, attempt); }
  /// Takes back all that has not begun (each is reported as unsent). hard: also ends what runs, where the executor can.
  virtual void recall(bool hard) = 0;
  /// Reports what has ended since; false if nothing had.
  virtual bool collect(events& to) = 0;
  /// Sleeps until collect may have something to report, or `until`. May return early. Called without the face's lock.
  virtual void wait(nanos until) = 0;
  /// For a driver that never sleeps, since an event loop does: calls `to` once, when collect has something to report.
  /// The call comes on any thread, without the face's lock, and perhaps under the executor's own. False: there is
  /// something already, and nothing will be called. Null takes an alarm back: no call is under way or comes any more.
  virtual bool arm(const detail::alarm* to) = 0;
  /// When collect() has something to look at by itself, at the latest. The driver comes back by then.
  [[nodiscard]] virtual nanos due() { return policy::never; }
  /// The run is watched: its attempts are timed from now on, each by itself. Before the first start.
  virtual void watch() {}
  /// The run listens to what its tasks say. Before the first start.
  virtual void listen() {}
  /// Fetches what has been said and is still under way; collect() tells it.
  virtual void overhear() {}
  /// The run's thread goes off into user code for an unknown time (a stream's consumer); the executor works on by
  /// itself.
  virtual void away() {}
};

}  // namespace centimane::engine
