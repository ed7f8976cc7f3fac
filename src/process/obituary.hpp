// Puts a worker's end into words: signal or exit code, the phase it died in, its crash text, a hint at the
// out-of-memory killer.
#pragma once
#include <string>

#include "process/channel.hpp"

namespace centimane::engine {

/// What is known of a worker that is gone.
struct ending {
  std::int64_t pid = 0;
  int worker = -1;
  bool known = false;  ///< its status came
  int signal = 0;
  int exit_code = -1;
  bool with_zygote = false;  ///< it went because its zygote did
  bool broke_protocol = false;
  bool closed_channel = false;  ///< the task closed our descriptors or called exec
  bool oom = false;             ///< the kernel's out-of-memory killer was at work meanwhile
  bool unkillable = false;      ///< it outlived its SIGKILL, and is left to itself
  phase at = phase::none;
  nanos began = 0;   ///< when the task that it died in began, if its channel is timed
  std::string text;  ///< crash text
};

/// The account of the task that was in hand.
trouble died_in_hand(const ending& end);
/// The account of a task that was sent again and again and never began.
trouble died_unbegun(const ending& end);
/// Why no worker can start.
trouble never_started(const ending& last);
/// One line for the log: "worker 3 (pid 4711) was killed by signal 9 (SIGKILL)".
std::string one_line(const ending& end);
/// That its tasks have left `n` processes behind, which go on.
std::string detached(const ending& end, int n);
/// "SIGSEGV", or "signal 77".
std::string signal_name(int signal);

}  // namespace centimane::engine
