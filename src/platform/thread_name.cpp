#include "platform/thread_name.hpp"

#include <sys/prctl.h>

namespace centimane::platform {

void name_thread(const char* name) noexcept { prctl(PR_SET_NAME, name, 0, 0, 0); }

}  // namespace centimane::platform
