// What a running task can ask about itself.
//
//   while (!cm::this_task::stop_requested()) step();
//
// Thread safety: any thread. Cost: a load or two.
#pragma once

namespace centimane {
inline namespace v0 {
namespace this_task {

/// Has the task that this thread runs been asked to end early? Its run was stopped or has timed out, or the task itself
/// has passed its task_timeout. A task that does not ask goes on to its end. False outside of tasks.
[[nodiscard]] bool stop_requested() noexcept;

}  // namespace this_task
}  // namespace v0
}  // namespace centimane
