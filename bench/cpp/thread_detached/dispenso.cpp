#include <dispenso/thread_pool.h>

#include "bench.hpp"
#include "dispenso_version.hpp"
#include "tally.hpp"

namespace {

/// With the tag that forbids it to run tasks in the submitting thread.
class detached final : public bench::contestant {
 public:
  bench::nanos run(std::size_t n) override {
    bench::tally done;
    return bench::timed([&] {
      for (std::size_t i = 0; i < n; ++i) pool_.schedule([&done] { done.count(); }, dispenso::ForceQueuingTag());
      done.wait_for(n);
    });
  }

 private:
  dispenso::ThreadPool pool_{bench::workers};
};

const bench::entry here("dispenso", bench::dispenso_version(), bench::make<detached>);

}  // namespace
