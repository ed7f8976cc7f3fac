// How a process of the engine ends: by _exit, since exit handlers and destructors belong to the program it was forked
// from. What such an end would lose otherwise is written first: standard output, coverage and profile counts.
#pragma once

namespace centimane::engine {

/// Forgets what the parent had buffered for standard output when we were forked: it is the parent's to write.
void drop_inherited_output() noexcept;
/// Writes standard output. May block as long as its reader does.
void flush_output() noexcept;
/// Ends a worker: output, profiles, leak check where a sanitizer is there, _exit.
[[noreturn]] void leave(int code) noexcept;
/// Ends a zygote, or a process of one function: the same without a leak check (its memory is its parent's).
[[noreturn]] void leave_quietly(int code) noexcept;

}  // namespace centimane::engine
