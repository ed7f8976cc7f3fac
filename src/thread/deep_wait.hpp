// Waiting without helping. A pool's worker that waits runs other tasks of its pool, but only so deep: each lies on its
// stack. Beyond that it runs nothing but what it waits for. What it waits for may itself wait for other states, and
// may come into the pool's queue when every worker of it is so deep; so it looks for the states at the roots of
// that, runs those that it may run, and else sleeps until one of them is ready.
//
// Thread safety: one thread at a time; the states belong to anybody.
#pragma once
#include <span>

#include "centimane/detail/future_state.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Is this thread a pool's worker that may not help any more?
[[nodiscard]] bool helps_too_deep() noexcept;

/// Waits for some of these states, as `done` says, or until `until`; returns done(). `me` is rung whenever done() may
/// have become true. Each look costs O(states that are waited for).
bool wait_at_the_roots(std::span<const state_ref<future_state>> them, sleeper& me, condition done, std::int64_t until);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
