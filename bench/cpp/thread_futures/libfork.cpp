#include <libfork/core.hpp>
#include <libfork/schedule.hpp>

#include "futures.hpp"
#include "libfork_version.hpp"

namespace {

constexpr auto next = [](auto, int i) -> lf::task<int> { co_return i + 1; };

/// Each a root of its own: the only way to a future from outside.
class pool {
 public:
  auto submit(int i) { return lf::schedule(pool_, next, i); }

 private:
  lf::lazy_pool pool_{bench::workers};
};

const bench::entry here("libfork", bench::libfork_version(), bench::make<bench::all_futures<pool>>);

}  // namespace
