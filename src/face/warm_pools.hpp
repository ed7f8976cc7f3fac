// The process pools behind `.executor = process`: made at first use, kept for the next call with the same workers,
// initialiser and recycling, closed at the program's end.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "process/pool.hpp"

namespace centimane::engine {

struct pool_wish {
  std::size_t workers = 0;  ///< 0: cpu_count(), or 1 within a worker
  std::span<const std::byte> set_up;
  std::size_t max_tasks = 0;  ///< 0: no limit
};

/// A pool of its own. Throws start_failed, resource_limit, std::invalid_argument.
std::shared_ptr<pool> new_pool(const pool_wish& wish);
/// A warm one, or a new one that stays warm. Any thread.
std::shared_ptr<pool> warm_pool(const pool_wish& wish);
/// Closes those that are warm; what runs on them has `grace` to end. The next call makes new ones.
void close_warm_pools(nanos grace);

}  // namespace centimane::engine
