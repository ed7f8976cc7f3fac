#include "centimane/parallel.hpp"

#include "tiny_items.hpp"

namespace {

class fresh final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    const auto in = bench::numbers(n);
    return bench::timed([&] {
      const auto out = centimane::parallel_map([](int x) { return bench::tiny(x); }, in);
      bench::check_tiny(out.values(), n);
    });
  }
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<fresh>);

}  // namespace
