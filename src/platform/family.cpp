#include "platform/family.hpp"

#include <atomic>

#include "platform/fork_hooks.hpp"

namespace centimane::platform {
namespace {

std::atomic<std::uint64_t> root{0};  // 0: nobody has asked

// Registered when the library is loaded: before the first fork that matters. Copies find the root in their memory.
[[maybe_unused]] const bool registered = (at_fork([] { static_cast<void>(family_root()); }, nullptr, nullptr), true);

}  // namespace

process_identity family_root() noexcept {
  std::uint64_t known = root.load(std::memory_order_relaxed);
  const std::uint64_t self = this_process_identity().word();
  if (known == self) return process_identity::from_word(known);
  // A process that outlives the program it was forked from, a daemon for one, is a program of its own from then on.
  if (known != 0 && is_alive(process_identity::from_word(known))) return process_identity::from_word(known);
  if (root.compare_exchange_strong(known, self, std::memory_order_relaxed)) known = self;
  return process_identity::from_word(known);
}

void join_family(process_identity of) noexcept { root.store(of.word(), std::memory_order_relaxed); }

bool is_family_root() noexcept {
  const std::uint64_t known = root.load(std::memory_order_relaxed);
  return known != 0 && process_identity::from_word(known) == this_process_identity();
}

}  // namespace centimane::platform
