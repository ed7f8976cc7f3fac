#include <future>

#include "futures.hpp"

namespace {

/// A thread a task.
class pool {
 public:
  auto submit(int i) {
    return std::async(std::launch::async, [i] { return i + 1; });
  }
};

const bench::entry here("std::async", CENTIMANE_BENCH_STD, bench::make<bench::each_future<pool>>, 0.1);

}  // namespace
