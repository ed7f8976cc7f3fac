// The clean process that init() leaves behind: forked while the program had one thread, it forks a zygote whenever a
// pool needs one, also after the program has become threaded (which is never forked) or has lost a zygote. It runs no
// user code, and ends with the program; its zygotes end with it.
#pragma once
#include <cstdint>

#include "process/zygote.hpp"

namespace centimane::engine {

/// Forks the ancestor, unless this process has one. Throws start_failed if the process has more than one thread.
/// `by_name`: the user called init(); the message differs.
void need_ancestor(bool by_name);
/// A zygote whose workers serve C++ functions. Throws start_failed if the ancestor is gone. Any thread.
zygote zygote_from_ancestor();
/// How many worker processes this one is nested in; 0 in the program itself.
int nesting() noexcept;

}  // namespace centimane::engine
