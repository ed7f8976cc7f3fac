// How far a run is, for `.on_progress`, and a bar that draws it.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

namespace centimane {
inline namespace v0 {

/// Counts of items, told after each one that settles.
struct progress {
  std::size_t completed;             ///< settled, failed ones included
  std::size_t failed;                ///< of these, without a value
  std::size_t started;               ///< handed to the executor so far
  std::optional<std::size_t> total;  ///< if the input's length is known
  std::chrono::nanoseconds elapsed;  ///< since the run began
};

/// A bar on stderr: redrawn in place on a terminal, at most ten times a second; else a line at each tenth of the work.
/// It counts completed items and ends its line when all are. Give each run a bar of its own. Thread safety: as
/// on_progress, one thread.
[[nodiscard]] std::function<void(const progress&)> progress_bar();

}  // namespace v0
}  // namespace centimane
