// A tiny frame for benchmarks whose competitors alternate: one program a workload, one file a competitor. Each round
// lets every competitor run once, so that all meet the same phases of the machine; only ratios within a round mean
// anything.
//
// A competitor file defines a `contestant` and one `const bench::entry`. workload.cpp of the same folder says what is
// measured. Google Benchmark has no such order: it runs each benchmark's repetitions in a row, or shuffles all.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

using nanos = std::chrono::nanoseconds;

/// What one program measures; each has exactly one, in its workload.cpp.
struct workload {
  const char* name;
  const char* unit;
  const char* better;       ///< "lower" or "higher"
  std::size_t tasks;        ///< a measurement has that many
  std::size_t quick_tasks;  ///< with --quick
};
extern const workload measured;

/// Made anew for each measurement, so that nobody's idle threads are about while another runs.
class contestant {
 public:
  contestant() = default;
  contestant(const contestant&) = delete;
  contestant& operator=(const contestant&) = delete;
  virtual ~contestant() = default;
  /// Runs n tasks and answers how long they took. Throws if a result is wrong. Called first with a tenth of them, to
  /// warm up.
  virtual nanos run(std::size_t n) = 0;
};

struct entry {
  using maker = std::unique_ptr<contestant> (*)();
  /// share: runs that part of the workload's tasks, for those who would take minutes.
  entry(std::string name, std::string version, maker make, double share = 1);
};
template <class C>
std::unique_ptr<contestant> make() {
  return std::make_unique<C>();
}

/// How long `what` takes.
template <class F>
nanos timed(const F& what) {
  const auto begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration_cast<nanos>(std::chrono::steady_clock::now() - begin);
}

inline void check(bool right, const char* what) {
  if (!right) throw std::runtime_error(std::string("wrong result: ") + what);
}

/// Every competitor gets as many workers.
inline constexpr unsigned workers = 2;

}  // namespace bench
