#include <BS_thread_pool.hpp>

#include "bench.hpp"
#include "bs_version.hpp"
#include "tally.hpp"

namespace {

class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    const auto took = bench::timed([&] {
      for (std::size_t i = 0; i < n; ++i) pool_.detach_task([&done] { done.count(); });
      pool_.wait();
    });
    bench::check(done.sum() == n, "tasks run");
    return took;
  }

 private:
  BS::thread_pool<> pool_{bench::workers};
};

const bench::entry here("BS::thread_pool", bench::bs_version(), bench::make<detached>);

}  // namespace
