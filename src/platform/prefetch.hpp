// Tells the processor which memory is about to be written. A leaf.
#pragma once

namespace centimane::platform {

/// Brings the line at `at` here for writing, in the background. `at` need not be valid memory. gcc's own builtin asks
/// for reading unless it may assume a younger processor; one that lacks the instruction takes it for a nop.
inline void prefetch_for_write(const void* at) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace centimane::platform
