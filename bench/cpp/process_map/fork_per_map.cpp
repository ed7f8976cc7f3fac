// The way of ROOT's TProcessExecutor: workers are forked for each map, see the parent's memory, and are sent one item a
// message.
#include "forked_workers.hpp"
#include "socketpair_link.hpp"

namespace {

class forked final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::message sum = 0;
    const auto took = bench::timed([&] {
      bench::forked_workers<bench::socketpair_link> all;
      sum = bench::map_over(all, n);
    });
    bench::check_sum(sum, n);
    return took;
  }
};

const bench::entry here("fork per map", "as ROOT", bench::make<forked>, 0.2);

}  // namespace
