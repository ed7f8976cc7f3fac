// What tasks have to say: log() goes to one handler, that of the driver, from threads and from worker processes alike.
//
//   cm::set_log_handler([](const cm::log_record& r) { std::clog << r.worker << ": " << r.text << '\n'; });
//   cm::parallel_map([](int n) { cm::log(cm::log_level::info, "begun"); return n; }, numbers, {.executor =
//   cm::process});
//
// What a pool has to say that belongs to no task (a worker that died while idle, processes that tasks have detached) is
// a record of level warning without item, on the thread of whichever run comes by or of who closes the pool.
//
// From a worker process a record comes on the thread that carries the task's run, before that run is over; what the
// handler throws ends the run, as with callbacks. Records of tasks that were submitted to a process_pool come on a
// thread of that pool, in the order in which each worker said them, at the latest before join(), terminate() or the
// pool's end return; their item is the task's number in the pool. In this process the handler is called by whoever
// logs, at once. More than 16 MiB that wait for a driver that is busy are dropped, and a record of level warning says
// how many. A text of more than 16 KiB is cut. In a worker, outside of a task, a record is a line on the inherited
// stderr. What tasks write to stdout and stderr is theirs: workers inherit the descriptors.
//
// Thread safety: any thread. Cost: below its level a load; from a worker process a message, some microseconds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace centimane {
inline namespace v0 {

enum class log_level : std::uint8_t { debug, info, warning, error };

struct log_record {
  log_level level;
  std::string_view text;            ///< valid during the call
  std::optional<std::size_t> item;  ///< the item whose task said it; none outside of worker processes
  int worker;                       ///< dense index of its worker process, -1 for this process
  std::int64_t pid;                 ///< of its worker process, 0 for this process
};

/// Says something. In a worker process every level travels: the handler's process chooses.
void log(log_level level, std::string_view text);

/// Where records of `least` and above go from now on; one at a time. An empty handler stands for the default: a line on
/// stderr.
void set_log_handler(std::function<void(const log_record&)> handler, log_level least = log_level::info);

}  // namespace v0
}  // namespace centimane
