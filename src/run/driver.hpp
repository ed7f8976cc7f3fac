// Carries one run: asks policy::run what to do, does it through a port, tells it what happened. The only loop of the
// engine: maps, streams and futures go through it. Lives on the caller's thread; knows neither values nor processes.
//
// Promises: `payload::settled` (or `settled_values`) is called exactly once for each item that settles, after its value
// or error is in place and before policy::run hears of a value; an attempt that is tried again is not reported. A plain
// map costs O(1) a range.
#pragma once
#include <memory>

#include "policy/run.hpp"
#include "run/port.hpp"

namespace centimane::engine {

/// What on_progress and results are told.
struct tally {
  index started = 0;  ///< items whose first attempt was handed to the executor and not taken back
  index settled = 0, failed = 0, cancelled = 0, known = 0;
  index not_started = 0;  ///< the tail that never began; final once the run has ended
};

class driver {
 public:
  /// `work` and `where` must outlive the driver.
  driver(payload& work, port& where, const policy::rules& rules);
  ~driver();  ///< recalls (not hard) what is unfinished; the port's own destructor waits for what runs in this process
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  /// A map: runs to the end. If a port throws (a pool that is gone), the exception passes through and the run is over.
  policy::status finish();

  /// A stream: the next items whose outcomes are in, as a range; count 0: the run has ended (see status()). What was
  /// emitted before must have been consumed, or a full window waits for ever.
  struct stretch {
    index first = 0, count = 0;
  };
  stretch next();
  /// The consumer is done with the n oldest emitted items.
  void consumed(index n, std::uint64_t bytes = 0);

  /// From the driver's thread (a callback, a stream's consumer). hard: what runs is cut off too.
  void stop(bool hard = false);
  [[nodiscard]] bool ended() const;
  [[nodiscard]] policy::status status() const;  ///< `completed` until the run has ended
  [[nodiscard]] tally count() const;

 private:
  class loop;
  std::unique_ptr<loop> loop_;
};

}  // namespace centimane::engine
