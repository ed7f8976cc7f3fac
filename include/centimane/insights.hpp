// Where a run's time went: what parallel_result::insights() and stream::insights() give.
//
//   auto result = cm::parallel_map(crunch, inputs, {.executor = cm::process, .insights = true});
//   std::puts(result.insights().text().c_str());
//
// Every run counts: items, failures, attempts, and how many of them each worker had; that costs nothing an item. Times
// are taken on request (`.insights`, and with `.trace` and `.on_event`): four looks at the clock an attempt.
//
// Thread safety: values.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace centimane {
inline namespace v0 {

/// One worker, by its index; a process that took the place of another counts as the same worker. Times are 0 unless
/// they were asked for.
struct worker_insights {
  int worker = 0;                      ///< its dense index
  std::int64_t pid = 0;                ///< of its last process; 0 for a thread, and where times were not asked for
  std::size_t processes = 0;           ///< how many there were in a row; 0 for a thread
  std::size_t items = 0;               ///< that had their outcome here
  std::size_t attempts = 0;            ///< that ended here, those that were made again included
  std::chrono::nanoseconds busy{};     ///< with attempts: the function and what follows
  std::chrono::nanoseconds running{};  ///< of these: in the function
  std::chrono::nanoseconds serialisation{};  ///< of these: reading items, writing results
  std::chrono::nanoseconds idle{};           ///< while the run went on and it was there, but not busy
  std::chrono::nanoseconds start_up{};       ///< from the order to fork until ready, for those that the run started
};

/// An attempt that took long.
struct slow_item {
  std::size_t index = 0;
  unsigned attempt = 1;
  int worker = -1;
  std::chrono::nanoseconds time{};  ///< in the function
};

struct insights {
  bool detailed = false;               ///< times were asked for: else those of workers are 0, and `slowest` is empty
  std::chrono::nanoseconds elapsed{};  ///< since the run began, until it ended
  std::size_t items = 0;               ///< with an outcome
  std::size_t failed = 0;              ///< of these, without a value
  std::size_t attempts = 0;
  std::chrono::nanoseconds encoding{};   ///< in the driver: writing items for workers, handing them over
  std::chrono::nanoseconds decoding{};   ///< in the driver: reading results
  std::vector<worker_insights> workers;  ///< by index; those that had something to do, or were there for this run
  std::vector<slow_item> slowest;        ///< at most ten, the slowest first

  /// A table to read.
  [[nodiscard]] std::string text() const;
};
std::ostream& operator<<(std::ostream& out, const insights& what);

}  // namespace v0
}  // namespace centimane
