// dispenso's version as text.
#pragma once
#include <dispenso/platform.h>

#include <string>

namespace bench {

inline std::string dispenso_version() {
  return std::to_string(DISPENSO_MAJOR_VERSION) + "." + std::to_string(DISPENSO_MINOR_VERSION) + "." +
         std::to_string(DISPENSO_PATCH_VERSION);
}

}  // namespace bench
