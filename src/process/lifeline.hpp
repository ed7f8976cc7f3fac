// Ends a worker when its zygote is gone, however busy, blocked or stopped it is: a pipe whose write end only the zygote
// holds, and whose read end sends the worker SIGKILL when the other is closed. No thread, no polling. The second line
// behind PDEATHSIG, which a task that calls setuid loses.
#pragma once
#include "platform/fd.hpp"

namespace centimane::engine {

struct lifeline {
  platform::fd zygote, worker;
};
/// Without descriptors left: none, errno says why.
lifeline make_lifeline() noexcept;
/// In the worker: from now on, the end of the other side is our end. Ends this process at once if it is gone already.
void hang_on(int worker_end) noexcept;

}  // namespace centimane::engine
