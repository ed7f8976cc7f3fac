#include <BS_thread_pool.hpp>

#include "bs_version.hpp"
#include "futures.hpp"

namespace {

class pool {
 public:
  auto submit(int i) {
    return pool_.submit_task([i] { return i + 1; });
  }

 private:
  BS::thread_pool<> pool_{bench::workers};
};

const bench::entry here("BS::thread_pool", bench::bs_version(), bench::make<bench::each_future<pool>>);

}  // namespace
