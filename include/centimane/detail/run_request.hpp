// What the compiled part of the library is asked to run: a plain struct with a version, filled by inline code, so that
// options may grow members without breaking programs that were compiled before.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "centimane/detail/words.hpp"
#include "centimane/executor.hpp"
#include "centimane/options.hpp"
#include "centimane/progress.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

using policy::index;
using policy::nanos;

struct run_request {
  std::uint32_t version = 1;
  centimane::executor executor = thread;
  std::size_t workers = 0, chunk_size = 0, window = 0;
  std::uint64_t window_bytes = 0;
  bool stream = false, ordered = true;
  std::optional<index> total;     ///< the input is there, by index
  std::optional<index> expected;  ///< how long it will be, for progress; not more than a promise of the range
  std::optional<centimane::rate_limit> rate_limit;
  std::optional<centimane::retry> retry;
  nanos task_timeout = policy::never;
  nanos timeout = policy::never;
  nanos deadline = policy::never;  ///< the run's, on the monotonic clock
  std::optional<std::size_t> max_errors;
  std::stop_token stop;
  std::function<void(const progress&)> on_progress;
  std::vector<std::byte> worker_set_up;  ///< what servant::set_up is given
  std::size_t max_tasks_per_worker = 0;
  std::optional<centimane::checkpoint> checkpoint;
  centimane::item_key item_key;
  /// Each item must be seen before it may start, also one that is there by index.
  [[nodiscard]] bool staged() const noexcept { return checkpoint.has_value() || static_cast<bool>(item_key); }
  bool insights = false;
  std::string trace;
  std::function<void(const event&)> on_event;
};

inline nanos nanos_of(const std::optional<time_span>& t) {
  return !t || t->infinite() ? policy::never : static_cast<nanos>(t->get().count());
}
/// Checks what can be checked without the items; throws std::invalid_argument. Sets the deadline: the run begins.
void check(run_request& how);

template <class R>
run_request request_of(const map_options<R>& how) {
  run_request r;
  r.executor = how.executor;
  r.workers = how.workers;
  r.chunk_size = how.chunk_size;
  r.window = how.window_size;
  r.window_bytes = how.window_bytes;
  r.ordered = how.ordered;
  r.rate_limit = how.rate_limit;
  r.retry = how.retry;
  r.task_timeout = nanos_of(how.task_timeout);
  r.timeout = nanos_of(how.timeout);
  if (how.max_errors) r.max_errors = static_cast<std::size_t>(*how.max_errors);
  r.stop = how.stop;
  r.on_progress = how.on_progress;
  if (how.worker_init) r.worker_set_up = how.worker_init.packed();
  r.max_tasks_per_worker = how.max_tasks_per_worker;
  r.checkpoint = how.checkpoint;
  r.item_key = how.item_key;
  r.insights = how.insights;
  r.trace = how.trace;
  r.on_event = how.on_event;
  check(r);
  return r;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
