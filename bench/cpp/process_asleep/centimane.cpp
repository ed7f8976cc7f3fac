#include "centimane/process_pool.hpp"

#include <thread>

#include "bench.hpp"
#include "forked_workers.hpp"

namespace {

class asleep final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::nanos took{};
    for (std::size_t i = 0; i < n; ++i) {
      std::this_thread::sleep_for(bench::nap);
      int got = 0;
      took += bench::timed([&] { got = pool_.submit([](int x) { return x + 1; }, static_cast<int>(i)).get(); });
      bench::check(got == static_cast<int>(i) + 1, "a result");
    }
    return took;
  }

 private:
  centimane::process_pool pool_{bench::workers};
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<asleep>);

}  // namespace
