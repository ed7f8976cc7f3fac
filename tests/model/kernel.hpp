// The system below a channel, for the model; kernel.cpp has the calls.
#pragma once
#include <cstddef>
#include <span>

namespace centimane::model {

/// To begin with: no memory, nobody asleep, nothing in the pipe.
void reset_kernel();
/// What it holds.
std::span<std::byte> kernel_state();
/// Where all memory lies.
std::byte* the_memory();

}  // namespace centimane::model
