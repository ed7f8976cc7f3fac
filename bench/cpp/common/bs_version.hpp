// BS::thread_pool's version as text.
#pragma once
#include <BS_thread_pool.hpp>
#include <string>

namespace bench {

inline std::string bs_version() {
  return std::to_string(BS_THREAD_POOL_VERSION_MAJOR) + "." + std::to_string(BS_THREAD_POOL_VERSION_MINOR) + "." +
         std::to_string(BS_THREAD_POOL_VERSION_PATCH);
}

}  // namespace bench
