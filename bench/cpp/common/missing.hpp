// Competitors that were not found when this program was configured; filled in by CMake.
#pragma once
#include <vector>

namespace bench {

struct absentee {
  const char* name;
  const char* reason;
};
extern const std::vector<absentee> absent;

}  // namespace bench
