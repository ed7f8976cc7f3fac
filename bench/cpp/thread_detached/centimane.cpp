#include "centimane/thread_pool.hpp"

#include "bench.hpp"
#include "tally.hpp"

namespace {

class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    return bench::timed([&] {
      for (std::size_t i = 0; i < n; ++i) pool_.detach([&done] { done.count(); });
      done.wait_for(n);
    });
  }

 private:
  centimane::thread_pool pool_{bench::workers};
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<detached>);

}  // namespace
