// What shall happen around each fork of this process, by whichever thread and library.
#pragma once

namespace centimane::platform {

/// before: in the parent, just before; parent, child: right after, in either. Any may be null. Never taken back, so
/// they must be able to run at any time.
void at_fork(void (*before)(), void (*parent)(), void (*child)()) noexcept;

}  // namespace centimane::platform
