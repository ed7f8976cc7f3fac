#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/version.h>

#include <future>
#include <memory>

#include "futures.hpp"

namespace {

/// It has no futures: std::packaged_task beside its arena, as its users do.
class pool {
 public:
  std::future<int> submit(int i) {
    auto task = std::make_shared<std::packaged_task<int()>>([i] { return i + 1; });
    auto result = task->get_future();
    arena_.enqueue([task] { (*task)(); });
    return result;
  }

 private:
  tbb::global_control most_{tbb::global_control::max_allowed_parallelism, bench::workers + 1};
  tbb::task_arena arena_{bench::workers, 0};
};

const bench::entry here("oneTBB (std::packaged_task)", TBB_VERSION_STRING, bench::make<bench::all_futures<pool>>);

}  // namespace
