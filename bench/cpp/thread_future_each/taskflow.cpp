#include <taskflow/taskflow.hpp>

#include "futures.hpp"

namespace {

class pool {
 public:
  auto submit(int i) {
    return executor_.async([i] { return i + 1; });
  }

 private:
  tf::Executor executor_{bench::workers};
};

const bench::entry here("Taskflow", tf::version(), bench::make<bench::each_future<pool>>);

}  // namespace
