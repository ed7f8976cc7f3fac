// What a run is asked. One aggregate: name the members you want, in the order in which they stand here (the language's
// rule).
//
//   cm::options polite{.workers = 4, .task_timeout = 10s};      // fits every run and may be reused
//
// Bad values throw std::invalid_argument, where they are written or at the call, before any work starts.
// Thread safety: a value.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>

#include "centimane/checkpoint.hpp"
#include "centimane/errors.hpp"
#include "centimane/events.hpp"
#include "centimane/executor.hpp"
#include "centimane/numbers.hpp"
#include "centimane/progress.hpp"
#include "centimane/worker_init.hpp"

namespace centimane::engine {
class budget;
}

namespace centimane {
inline namespace v0 {

/// The unit of a rate.
enum class per : std::uint8_t { second, minute, hour };

/// At most so many starts of attempts in a span of time: in any one of them at most events + burst - 1. Of one run; a
/// `limiter` (limiter.hpp) is given in its place to several.
struct rate_limit {
  /// Throws std::invalid_argument unless how_many is a positive, finite number and burst_size at least 1.
  template <class N>
  requires std::is_arithmetic_v<N>
  constexpr rate_limit(N how_many, per in = per::second, count burst_size = 1)
      : events(static_cast<double>(how_many)), unit(in), burst(burst_size) {
    if (!(events > 0) || events > 1e15 || burst == 0u) throw_bad();
  }
  double events;
  per unit;
  count burst;

 private:
  friend class limiter;
  friend std::shared_ptr<engine::budget> budget_of(const rate_limit&);
  [[noreturn]] static void throw_bad();
  std::shared_ptr<engine::budget> drawn_from_;  ///< a limiter's
};

/// Tries again what failed. Items that are given away (`T&&`, from owned ranges) are copied for each attempt on
/// threads. What retry_if or wait_from throws becomes the item's error.
struct retry {
  count attempts = 3;                              ///< tries in all, the first included; at least 1
  time_span backoff = std::chrono::nanoseconds{};  ///< before the second attempt; doubles with each further one
  time_span max_delay = std::chrono::minutes{1};   ///< the longest wait that backoff grows to
  bool jitter = true;    ///< waits are spread, so that what failed together does not come back together
  error_filter on = {};  ///< which errors: `errors<network_error>`; the default is every
                         ///< std::exception but worker_died and task_timeout
  std::function<bool(const any_error&)> retry_if = {};  ///< a further condition, asked where the run was started
  /// The wait that an error itself asks for (Retry-After), asked where the run was started. It takes the place of
  /// backoff if it is longer, and holds back the whole run's rate_limit.
  std::function<std::optional<time_span>(const any_error&)> wait_from = {};
  time_span max_server_wait = std::chrono::minutes{10};  ///< the longest such wait that is followed
};

template <class R>
struct item_result;

/// `options` (R = void) fits every run; `map_options<R>` adds the callback that sees values.
template <class R = void>
struct map_options {
  centimane::executor executor = thread;
  count workers = 0;     ///< 0: the executor's default; 1: in order, one at a time
  count chunk_size = 0;  ///< 1: each item is started alone; else items go in pieces, by measured time
  std::optional<centimane::rate_limit> rate_limit = {};
  std::optional<centimane::retry> retry = {};
  /// For one attempt. A worker process is ended at it; on threads the task is asked to end
  /// (this_task::stop_requested()), and has failed with task_timeout when it has come back.
  std::optional<time_span> task_timeout = {};
  std::optional<time_span> timeout = {};  ///< for the run
  count window_size = 0;                  ///< most items admitted and not settled (stream: not consumed); 0: default
  /// The same by bytes, of what was read from the input and of a stream's results; 0: no limit. One item alone may
  /// exceed it. Before the first result of a stream has been weighed no more than 8 items are under way.
  count window_bytes = 0;
  bool ordered = true;                                        ///< parallel_iter gives results in the order of the input
  std::optional<count> max_errors = {};                       ///< so many failed items abort the run; at least 1
  std::stop_token stop = {};                                  ///< asks the run to stop; what runs, ends
  std::function<void(const progress&)> on_progress = {};      ///< on the calling thread; what it throws ends the run
  std::function<void(const item_result<R>&)> on_result = {};  ///< on the calling thread; what it throws ends the run
  worker_initializer worker_init = {};                        ///< once in each worker process, before its first task
  count max_tasks_per_worker = 0;                        ///< a worker process is replaced after that many; 0: never
  std::optional<centimane::checkpoint> checkpoint = {};  ///< goes on where an earlier run of the same work ended
  centimane::item_key item_key = {};                     ///< names items: in item_result::key and in the checkpoint
  bool insights = false;   ///< takes times for result.insights(): four looks at the clock an attempt
  std::string trace = {};  ///< a file for the run's timeline, as Perfetto and Chrome's tracing read it
  std::function<void(const event&)> on_event = {};  ///< on the calling thread; what it throws ends the run

  /// One `options` serves runs of every result type.
  template <class U>
  requires(std::is_void_v<R> && !std::is_void_v<U>) operator map_options<U>() const {
    return {
        executor,     workers,  chunk_size, rate_limit, retry,       task_timeout, timeout,     window_size,
        window_bytes, ordered,  max_errors, stop,       on_progress, {},           worker_init, max_tasks_per_worker,
        checkpoint,   item_key, insights,   trace,      on_event};
  }
};
using options = map_options<>;

}  // namespace v0
}  // namespace centimane
