// The situations that the histories of a fleet must have met.
#pragma once
#include <sys/time.h>

#include <array>
#include <csignal>
#include <cstdarg>
#include <cstdint>

#include "check.hpp"

namespace simulation {

// clang-format would nest the list, deeper each time.
// clang-format off
#define SIMULATION_RARE(X) \
  X(died_idle) X(died_sent) X(died_claimed) X(died_begun) X(died_published) X(died_starting) \
  X(died_innocent_behind) X(start_too_long) X(fork_refused) X(fork_no_resources) X(failed_starts) \
  X(failed_resources) X(reported_failed) X(overtime) X(saved) X(killed_after_grace) X(look_too_early) \
  X(look_drained) X(take_none) X(take_part) X(take_all) X(recall_queued) X(recall_held) X(recall_others_behind) \
  X(recall_running) X(recall_hard) X(submit_recalled) X(submit_late) X(close_idle) X(close_runs) X(close_kills) \
  X(close_shorter) X(zygote_lost_up) X(zygote_lost_coming) X(zygote_lost_starting) X(abandoned) X(full_part) \
  X(full_empty) X(alone) X(suspect_alone) X(let_run_dry) X(heir) X(worn_out) X(idle_retired) X(resends_spent) \
  X(unclaimed_kill) X(condemned) X(recycled) X(prepared) X(depth_lowered) X(drop_late_result) X(stopped)
// clang-format on

enum class rare : std::uint8_t {
#define SIMULATION_NAME(name) name,
  SIMULATION_RARE(SIMULATION_NAME)
#undef SIMULATION_NAME
      count_
};
inline constexpr std::array<const char*, static_cast<std::size_t>(rare::count_)> rare_names = {
#define SIMULATION_NAME(name) #name,
    SIMULATION_RARE(SIMULATION_NAME)
#undef SIMULATION_NAME
};
#undef SIMULATION_RARE

/// A single history is told step by step.
inline bool told = false;
[[gnu::format(printf, 1, 2)]] inline void tell(const char* format, ...) {
  if (!told) return;
  std::va_list parts;
  va_start(parts, format);
  std::vprintf(format, parts);
  va_end(parts);
}

/// A machine that never answers is a failed history, too: a thousand of them take a fraction of a second. Of the
/// processor's time: what else runs on the computer is no fault of the machine's.
inline void guard_against_hanging() {
  std::signal(SIGPROF, [](int) { fail("the machine answers", __FILE__, __LINE__); });
  const itimerval once{{0, 0}, {30, 0}};
  setitimer(ITIMER_PROF, &once, nullptr);
}

inline coverage<rare> met_in_fleet;
inline void meet(rare what) { met_in_fleet.met(what); }

}  // namespace simulation
