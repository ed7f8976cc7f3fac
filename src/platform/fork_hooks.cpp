#include "platform/fork_hooks.hpp"

#include <pthread.h>

namespace centimane::platform {

void at_fork(void (*before)(), void (*parent)(), void (*child)()) noexcept { pthread_atfork(before, parent, child); }

}  // namespace centimane::platform
