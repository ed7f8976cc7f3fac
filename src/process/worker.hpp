// A worker's life: take what the driver sends, run it through the face's servant, publish each result, sleep, leave
// when told.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "centimane/detail/payload.hpp"
#include "process/zygote.hpp"

namespace centimane::engine {

/// Who writes the crash text when a fatal signal strikes.
enum class fatal_handlers : bool {
  engine,  ///< signal name and native backtrace
  face,    ///< the face installs its own in servant::set_up (Python's faulthandler)
};

/// Runs until the driver closes the channel or is gone. Reads set-up messages up to `begin`, answers `ready`, then
/// serves. A servant whose set_up throws: what() goes to the crash text, the process exits with code 1 (a failed
/// start). A task that forks: the copy that returns from it ends with _exit(0) and touches nothing.
void serve_worker(worker_files files, servant& face, fatal_handlers whose = fatal_handlers::engine);

/// What stands before the text of a word to the driver.
struct word_head {
  std::uint64_t item;
  std::uint64_t kind;
};
/// The most text that one word holds.
inline constexpr std::size_t longest_word = 16 * 1024 - sizeof(word_head);
/// In a worker: may a task that is in hand speak to its driver? False between tasks, of runs that do not listen, and
/// elsewhere. Any thread.
bool may_tell() noexcept;
/// Sends a word of the task in hand, at most longest_word, kind not 0. `wait`: for up to a second if the driver's
/// process has not taken what was sent before; else it is dropped, and counted: the driver is told how many. Any
/// thread. False: not now (without `wait`), or may_tell() is false.
bool tell_driver(std::uint8_t kind, std::span<const std::byte> text, bool wait) noexcept;
/// In a worker: has the task in hand been asked to stop? False elsewhere. One load.
bool stop_requested() noexcept;
/// In a worker: the descriptor that crash text goes to, -1 elsewhere.
int crash_text() noexcept;
/// In a worker's signal handler: is the soft stop meant for the task that runs user code at this moment?
bool soft_stop_due() noexcept;

/// Signals that the supervisor sends to workers: "write your stack to the crash text", "soft stop". serve_worker
/// installs handlers for both before set_up: the first writes a native backtrace of the main thread, the second does
/// nothing. A face may install its own instead; one for the first must call the engine's when it has written.
int stack_signal() noexcept;
int stop_signal() noexcept;
/// In a worker whose face has done so: the engine's handler does no more than mark the stack's end.
void face_writes_stacks() noexcept;

}  // namespace centimane::engine
