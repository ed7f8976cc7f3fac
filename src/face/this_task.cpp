#include "centimane/this_task.hpp"

#include "centimane/detail/map_core.hpp"
#include "process/worker.hpp"
#include "thread/thread_place.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

const std::atomic<bool>* stop_flag() noexcept { return here().stop != nullptr ? &here().stop->asked() : nullptr; }

}  // namespace detail

namespace this_task {

bool stop_requested() noexcept {
  const auto* stop = detail::here().stop;
  return (stop != nullptr && stop->stop_requested()) || engine::stop_requested();
}

}  // namespace this_task
}  // namespace v0
}  // namespace centimane
