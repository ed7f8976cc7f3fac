#include <numeric>
#include <vector>

#include "bench.hpp"
#include "centimane/parallel.hpp"

namespace {

class mapped final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    std::vector<std::int64_t> in(n);
    std::iota(in.begin(), in.end(), 0);
    std::int64_t sum = 0;
    const auto took = bench::timed([&] {
      const auto out = centimane::parallel_map([](std::int64_t x) { return x + 1; }, in,
                                               {.executor = centimane::process, .workers = bench::workers});
      for (const std::int64_t x : out.values()) sum += x;
    });
    bench::check(sum == static_cast<std::int64_t>(n * (n + 1) / 2), "sum of all results");
    return took;
  }
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<mapped>);

}  // namespace
