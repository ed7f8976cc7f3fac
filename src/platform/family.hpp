// Which processes belong together: a program, the processes that it forks, and the workers that are started for it.
// What any of them names in shared memory lives as long as the program does that is at the root.
#pragma once
#include "platform/process_identity.hpp"

namespace centimane::platform {

/// The process at the root of this one's family: itself, unless it was forked or has joined one, and that root lives.
/// At most 10 µs.
process_identity family_root() noexcept;
/// For workers that were executed: they are of that family. Before they use anything of it.
void join_family(process_identity root) noexcept;
/// Is this process the root of a family that anybody has asked for? Looks at nothing but memory.
bool is_family_root() noexcept;

}  // namespace centimane::platform
