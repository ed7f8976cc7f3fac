#include <libfork/core.hpp>
#include <libfork/schedule.hpp>

#include "bench.hpp"
#include "libfork_version.hpp"
#include "tally.hpp"

namespace {

constexpr auto leaf = [](auto, bench::tally* done) -> lf::task<> {
  done->count();
  co_return;
};

/// Its idiom: children of one root. It runs each child at once and lets others steal the rest of the parent, so nothing
/// is queued.
constexpr auto root = [](auto, bench::tally* done, std::size_t n) -> lf::task<> {
  for (std::size_t i = 0; i < n; ++i) co_await lf::fork(leaf)(done);
  co_await lf::join;
};

class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    const auto took = bench::timed([&] { lf::sync_wait(pool_, root, &done, n); });
    bench::check(done.sum() == n, "tasks run");
    return took;
  }

 private:
  lf::lazy_pool pool_{bench::workers};
};

const bench::entry here("libfork (does not queue)", bench::libfork_version(), bench::make<detached>);

}  // namespace
