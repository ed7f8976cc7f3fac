// The life of a process that runs one C++ function.
#pragma once
#include "process/zygote.hpp"

namespace centimane::engine {

/// Reads the function and its arguments, calls it, leaves the result where the driver finds it. Answers the exit code.
int live_as_child(child_files files);

}  // namespace centimane::engine
