// From a process_pool of the face to the engine's pool behind it.
#pragma once
#include <memory>

#include "process/pool.hpp"

namespace centimane {
inline namespace v0 {
class process_pool;
namespace detail {
[[nodiscard]] std::shared_ptr<engine::pool> engine_pool_of(const process_pool& pool);
}  // namespace detail
}  // namespace v0
}  // namespace centimane
