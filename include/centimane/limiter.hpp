// One budget of starts, shared by as many runs and threads as hold the limiter, and by several processes of one machine
// if it names a file.
//
//   cm::limiter api({90, cm::per::minute});
//   cm::parallel_map(fetch, urls, {.rate_limit = api});       // and elsewhere, at the same time:
//   api.wait(); call_once();
//
//   cm::limiter ours({90, cm::per::minute}, "/run/user/1000/api.limit");   // with every process that names that file
//
// Thread safety: any thread; copies draw from the same budget. Cost: a fraction of a microsecond a token.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "centimane/numbers.hpp"
#include "centimane/options.hpp"

namespace centimane {
inline namespace v0 {

/// A run takes a token when an attempt starts, retries too, on every executor. Who waits by `wait` stands in one line,
/// first come, first served; runs, and other processes, take theirs beside it: between them, who takes first has it.
class limiter {
 public:
  explicit limiter(centimane::rate_limit rate);
  /// One budget for all processes of this user and machine that name the file: it is made if it is not there (mode
  /// 0600; on a file system of this machine, no network's), and begun anew after a restart of the machine. Nothing
  /// needs closing, and a process that is killed at any point holds nobody up. Delete the file only when nobody uses
  /// it.
  ///
  /// Throws std::invalid_argument for a file that is not a limiter's, is for another rate, or that another user owns or
  /// may write to; std::system_error for one that cannot be opened or made.
  limiter(centimane::rate_limit rate, const std::string& shared);

  /// Takes a token, sleeping until there is one. A wait that would be longer than `timeout` is not begun. False: no
  /// token within `timeout`, none was taken.
  [[nodiscard]] bool wait(time_span timeout);
  void wait() { (void)wait(std::chrono::nanoseconds::max()); }
  /// No token before that much time from now, for nobody: what a service that throttles asks for. The longest pause
  /// holds.
  void pause(time_span time);

  /// What it enforces.
  [[nodiscard]] const centimane::rate_limit& rate() const noexcept;
  /// `.rate_limit = limiter`: the run draws from it.
  operator centimane::rate_limit() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace v0
}  // namespace centimane
