// What a thread does between two looks at a word that another thread is about to change. A leaf.
#pragma once

namespace centimane::platform {

/// A moment for the other hyper-thread.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace centimane::platform
