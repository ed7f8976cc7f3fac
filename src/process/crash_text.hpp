// What a worker writes down when it goes wrong: the fatal signal or exception with its backtrace, the stack at which a
// task hung, why a start failed. It goes to a memfd that the driver can read whatever becomes of the worker. Everything
// here that runs in a signal handler allocates nothing and takes no lock of ours.
#pragma once
#include <string_view>

#include "process/worker.hpp"

namespace centimane::engine {

/// The line behind the stack of a task that hangs. Without it, a stack whose writer has merely lost the processor would
/// pass for a whole one.
inline constexpr std::string_view end_of_stack = "End of the stack.\n";

/// In a worker's main thread: from now on crash text goes to `text` (which must stay open), handlers are in place. The
/// alternate stack for handlers belongs to the main thread; a stack that overflows elsewhere leaves no trace.
void open_crash_text(int text, fatal_handlers whose);
/// Appends; from anywhere, signal handlers too. Does nothing if user code has closed the file or put another one in its
/// place.
void write_crash_text(std::string_view what) noexcept;
/// In a copy of a worker: what becomes of it is not the worker's fate.
void disown_crash_text() noexcept;

}  // namespace centimane::engine
