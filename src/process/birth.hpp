// The first steps of a worker, and of a process that runs one function, after the fork, before anything of a face runs:
// it puts itself under its zygote's fate and lets go of everything that is not its own.
#pragma once
#include <sys/types.h>

#include "platform/fd.hpp"
#include "process/zygote.hpp"

namespace centimane::engine {

struct birth {
  pid_t zygote = 0;  ///< our parent, if it still lives
  bool keep_descriptors = false;
  int oom_score = 0;  ///< what to write to oom_score_adj
  pid_t group = 0;    ///< of a process of one function: the process group it belongs to
};

/// Ends the process if the zygote is gone. Signals stay blocked; the mask is emptied by let_signals_in, the last step.
void be_born(const birth& how, worker_files& files, platform::fd lifeline) noexcept;
/// The same for a process of one function. It takes the terminal's signals, as its driver does, from whose group it is,
/// and the driver's standard streams.
void be_born(const birth& how, child_files& files, platform::fd lifeline) noexcept;
void let_signals_in() noexcept;

/// Arms the parent-death signal and compares the parent: ends this process if it is another than `parent`. Cheap;
/// repeated before a worker sleeps, since a task may have lost it (setuid, prctl).
void follow_parent(pid_t parent) noexcept;

}  // namespace centimane::engine
