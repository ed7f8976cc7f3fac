// Carries one run: asks policy::run what to do, does it through a port, tells it what happened. The only loop of the
// engine: maps, streams and futures go through it. Lives on the caller's thread; knows neither values nor processes.
//
// Promises: `payload::settled` (or `settled_values`) is called exactly once for each item that settles, after its value
// or error is in place and before policy::run hears of a value; an attempt that is tried again is not reported. Where a
// checkpoint is kept, a value is recorded before it is settled. A plain map costs O(1) a range.
#pragma once
#include <functional>
#include <memory>

#include "centimane/detail/recorder.hpp"
#include "policy/run.hpp"
#include "run/insights.hpp"
#include "run/port.hpp"
#include "run/watch.hpp"

namespace centimane::engine {

/// What on_progress and results are told.
struct tally {
  index started = 0;  ///< items whose first attempt was handed to the executor and not taken back
  index settled = 0, failed = 0, cancelled = 0, known = 0;
  index not_started = 0;  ///< the tail that never began; final once the run has ended
};

class driver {
 public:
  /// `work`, `where`, `keeper` and `eyes` must outlive the driver. keeper: null, or what keeps values beyond this
  /// process. What it has is settled with attempt 0, when it arrives; in a stream that is stopped, some of it may never
  /// be emitted. eyes: null, or who watches the run.
  driver(payload& work, port& where, const policy::rules& rules, recorder* keeper = nullptr, watch* eyes = nullptr);
  ~driver();  ///< recalls (not hard) what is unfinished; the port's own destructor waits for what runs in this process
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  /// What tasks in other processes say goes to `hear`, on this thread. False asks the run to stop. Before the first
  /// task; all is told before the run ends.
  void listen(std::function<bool(const word&)> hear);

  /// A map: runs to the end. If a port throws (a pool that is gone), the exception passes through and the run is over.
  policy::status finish();

  /// A stream: the next items whose outcomes are in, as a range; count 0: the run has ended (see status()). What was
  /// emitted before must have been consumed, or a full window waits for ever.
  struct stretch {
    index first = 0, count = 0;
  };
  stretch next();
  // ---- on an event loop, which sleeps in its place: what finish() and next() do between two sleeps
  enum class turned : std::uint8_t {
    dry,      ///< nothing to do before the port has news (see arm) or until()
    emitted,  ///< a stream has items to hand out
    more,     ///< there is more to do; the time for this turn is up
    end
  };
  /// Does what is to be done, for `at_most` ns or a little longer.
  turned turn(nanos at_most);
  /// After `dry`: when to come back at the latest.
  [[nodiscard]] nanos until() const;
  /// After `dry`: the port calls `to` once when it has news. False: it has some now.
  bool arm(const detail::alarm* to);
  /// A stream: what is ready now, as next() has it. count 0: nothing is, or the executor is due for a turn.
  stretch ready();
  /// Answers the pull that the payload has put off, or says that an async source has ended.
  void arrived(const pulled& got);

  /// The consumer is done with the n oldest emitted items.
  void consumed(index n, std::uint64_t bytes = 0);

  /// From the driver's thread (a callback, a stream's consumer). hard: what runs is cut off too.
  void stop(bool hard = false);
  /// The run is left where it is: those who watch it are told that it has ended so. The destructor says it as well.
  void left(policy::status how = policy::status::stopped);
  [[nodiscard]] bool ended() const;
  [[nodiscard]] policy::status status() const;  ///< `completed` until the run has ended
  [[nodiscard]] tally count() const;
  [[nodiscard]] insights look() const;

 private:
  class loop;
  std::unique_ptr<loop> loop_;
};

}  // namespace centimane::engine
