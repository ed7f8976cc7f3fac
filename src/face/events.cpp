#include "face/events.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

using policy::nanos;

events::time time_of(nanos t) { return events::time{std::chrono::nanoseconds(t)}; }
std::chrono::nanoseconds span_of(nanos t) { return std::chrono::nanoseconds(t); }

events::outcome outcome_of(policy::outcome how) {
  switch (how) {
    case policy::outcome::value:
      return events::outcome::value;
    case policy::outcome::error:
      return events::outcome::error;
    case policy::outcome::died:
      return events::outcome::worker_died;
    case policy::outcome::overtime:
      return events::outcome::timed_out;
    default:
      return events::outcome::cancelled;
  }
}

}  // namespace

event event_of(const engine::happening& what) {
  const auto at = time_of(what.at);
  const auto index = static_cast<std::size_t>(what.item);
  switch (what.what) {
    case engine::happening::run_begun:
      break;
    case engine::happening::attempt_ended: {
      const engine::phase_times& t = what.times;
      return events::attempt_ended{at,
                                   index,
                                   what.attempt,
                                   what.worker,
                                   outcome_of(what.how),
                                   what.final,
                                   t.written != 0 ? time_of(t.opened) : at,
                                   span_of(t.ran - t.running)};
    }
    case engine::happening::retry_scheduled:
      return events::retry_scheduled{at, index, what.attempt, time_of(what.until)};
    case engine::happening::worker_started:
      return events::worker_started{at, what.worker, what.pid, span_of(what.from != 0 ? what.at - what.from : 0)};
    case engine::happening::worker_died:
      return events::worker_died{at, what.worker, what.pid, what.signal, what.exit_code};
    case engine::happening::worker_recycled:
      return events::worker_recycled{at, what.worker, what.pid};
    case engine::happening::task_timed_out:
      return events::task_timed_out{at, index, what.attempt, what.worker, what.pid, span_of(what.until)};
    case engine::happening::taken_back:
      return events::items_taken_back{at, index, static_cast<std::size_t>(what.count), what.worker, what.pid};
    case engine::happening::limiter_paused:
      return events::limiter_paused{at, time_of(what.until)};
    case engine::happening::run_ended:
      return events::run_ended{
          at, what.end == policy::status::source_failed ? run_status::completed : static_cast<run_status>(what.end)};
  }
  return events::run_begun{at};
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
