// What a thread knows of itself: whose worker it is, how deep it helps, and what asks its task to stop.
#pragma once
#include "centimane/detail/future_state.hpp"
#include "thread/attempt_clock.hpp"
#include "thread/spin_budget.hpp"
#include "thread/task_ring.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class pool_core;

struct thread_place {
  attendant* helper = nullptr;
  const pool_core* pool = nullptr;    ///< whose worker it is
  task_ring::claim* claim = nullptr;  ///< a worker's own, in its pool's queue
  unsigned depth = 0;                 ///< tasks on this thread's stack, each waiting for something but the last
  spin_budget searching{128};         ///< a worker's, for tasks: a few microseconds, less than a wake-up costs
  spin_budget waiting{256};           ///< for a future
  attempt_clock* stop = nullptr;      ///< asks the task that runs to end early
  watch* to_call = nullptr;           ///< of states that this thread made ready, last first
  bool calling = false;               ///< one of them is called: others are put off
};

thread_place& here() noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace centimane
