// A run as a timeline: trace events in the JSON that Chrome's tracing and Perfetto read. Pure: text goes to `out` as it
// comes, nothing is kept but the names of tracks, so a trace of any length takes constant memory.
//
// Tracks: one for the driver, one a worker; a process that takes the place of another has a track of its own. An
// attempt is a slice, with its phases in it; what has no length is an instant. Times are the monotonic clock's, in
// microseconds, the same in all processes of the machine.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "run/port.hpp"

namespace centimane::engine {

class trace_writer {
 public:
  trace_writer(std::int64_t driver_pid, std::function<void(std::string_view)> out);
  void tell(const happening& what);
  /// What the driver did meanwhile: "start", "pull", "collect", "sleep".
  void driver(const char* doing, nanos from, nanos to, index items = 0);
  /// The last words, without which it is no JSON.
  void end();

 private:
  struct track {
    std::int64_t pid, tid;
  };
  /// The process that a worker is.
  struct process {
    std::int64_t pid = 0, before = 0;  ///< and the one whose place it took
    nanos since = 0;                   ///< what began earlier was the other's
  };
  [[nodiscard]] std::int64_t pid_of(int worker, nanos at) const;
  [[nodiscard]] track track_of(int worker, std::int64_t pid);
  void name(track where, const std::string& label, int order);
  void open(const char* kind, std::string_view name, const char* category, track where, nanos at);
  void close();
  void slice(std::string_view name, const char* category, track where, nanos from, nanos to);
  void instant(std::string_view name, track where, nanos at);
  void argument(const char* name, std::int64_t value);
  void argument(const char* name, const char* value);
  void attempt(const happening& what);
  void microseconds(nanos t);
  void number(std::int64_t n);

  const track driver_;
  std::function<void(std::string_view)> out_;
  std::unordered_map<int, process> processes_;   ///< by worker
  std::unordered_map<int, std::int64_t> named_;  ///< workers whose track has its name, under that pid
  std::string line_;
  bool first_ = true, in_arguments_ = false;
};

}  // namespace centimane::engine
