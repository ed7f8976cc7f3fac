// What a thread is called in debuggers, ps and top.
#pragma once

namespace centimane::platform {

/// Names the calling thread; at most 15 characters count.
void name_thread(const char* name) noexcept;

}  // namespace centimane::platform
