// libfork's version as text.
#pragma once
#include <libfork/core.hpp>
#include <string>

namespace bench {

inline std::string libfork_version() {
  return std::to_string(LF_VERSION_MAJOR) + "." + std::to_string(LF_VERSION_MINOR) + "." +
         std::to_string(LF_VERSION_PATCH);
}

}  // namespace bench
