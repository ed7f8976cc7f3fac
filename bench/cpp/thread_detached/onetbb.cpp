#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/version.h>

#include "bench.hpp"
#include "tally.hpp"

namespace {

/// A task_group: the submitting thread is one of the workers once it waits.
class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    const auto took = bench::timed([&] {
      arena_.execute([&] {
        tbb::task_group group;
        for (std::size_t i = 0; i < n; ++i) group.run([&done] { done.count(); });
        group.wait();
      });
    });
    bench::check(done.sum() == n, "tasks run");
    return took;
  }

 private:
  tbb::global_control most_{tbb::global_control::max_allowed_parallelism, bench::workers + 1};
  tbb::task_arena arena_{bench::workers};
};

const bench::entry here("oneTBB", TBB_VERSION_STRING, bench::make<detached>);

}  // namespace
