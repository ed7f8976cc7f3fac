#include "platform/fork_generation.hpp"

#include <pthread.h>

#include <atomic>

namespace centimane::platform {
namespace {

std::atomic<std::uint32_t> generation{1};

// Registered when the library is loaded: before any pool can exist.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

std::uint32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

}  // namespace centimane::platform
