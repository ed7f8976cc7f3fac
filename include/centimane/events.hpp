// What happens in a run, for `.on_event`: small values, told on the calling thread as the run learns of them.
//
//   .on_event = [](const cm::event& e) {
//     if (auto* death = std::get_if<cm::events::worker_died>(&e)) log("lost", death->pid);
//   }
//
// Times are on the monotonic clock (steady_clock's), the same in all processes of the machine. An exception that the
// callback throws ends the run, as with the other callbacks. Cost: nothing without a callback; with one, each attempt
// is timed and told.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "centimane/result.hpp"

namespace centimane {
inline namespace v0 {
namespace events {

using time = std::chrono::steady_clock::time_point;

struct run_begun {
  time at;
};
/// The last word of a run. A stream that is left early ends as stopped.
struct run_ended {
  time at;
  run_status status;
};
enum class outcome : std::uint8_t { value, error, worker_died, timed_out, cancelled };
struct attempt_ended {
  time at;
  std::size_t index;
  unsigned attempt;  ///< from 1
  int worker;        ///< -1: it was at none, or it is not known
  events::outcome outcome;
  bool final;                        ///< the item has its outcome: no further attempt follows
  time began;                        ///< `at` if it is not known
  std::chrono::nanoseconds running;  ///< in the function
};
struct retry_scheduled {
  time at;
  std::size_t index;
  unsigned attempt;  ///< the one to come
  time not_before;
};
/// A worker process is ready.
struct worker_started {
  time at;
  int worker;
  std::int64_t pid;
  std::chrono::nanoseconds start_up;  ///< 0: it was there before the run
};
/// A worker process has ended without being told to, or was killed for a task that passed its limit.
struct worker_died {
  time at;
  int worker;
  std::int64_t pid;
  int signal;     ///< 0: none
  int exit_code;  ///< -1: it did not exit by itself
};
/// A worker process has left in order: it had its number of tasks, or was idle for long.
struct worker_recycled {
  time at;
  int worker;
  std::int64_t pid;
};
struct task_timed_out {
  time at;
  std::size_t index;
  unsigned attempt;
  int worker;
  std::int64_t pid;
  std::chrono::nanoseconds limit;
};
/// Items that a worker had been sent and not begun go to another one.
struct items_taken_back {
  time at;
  std::size_t index, count;
  int worker;
  std::int64_t pid;
};
/// An error asked for a wait (`retry::wait_from`): nothing of the run starts before.
struct limiter_paused {
  time at, until;
};

}  // namespace events

using event = std::variant<events::run_begun, events::attempt_ended, events::retry_scheduled, events::worker_started,
                           events::worker_died, events::worker_recycled, events::task_timed_out,
                           events::items_taken_back, events::limiter_paused, events::run_ended>;

}  // namespace v0
}  // namespace centimane
