#include <taskflow/taskflow.hpp>

#include "bench.hpp"
#include "tally.hpp"

namespace {

class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    const auto took = bench::timed([&] {
      for (std::size_t i = 0; i < n; ++i) executor_.silent_async([&done] { done.count(); });
      executor_.wait_for_all();
    });
    bench::check(done.sum() == n, "tasks run");
    return took;
  }

 private:
  tf::Executor executor_{bench::workers};
};

const bench::entry here("Taskflow", tf::version(), bench::make<detached>);

}  // namespace
