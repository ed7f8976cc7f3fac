#include "centimane/thread_pool.hpp"

#include "futures.hpp"

namespace {

class pool {
 public:
  auto submit(int i) {
    return pool_.submit([](int x) { return x + 1; }, i);
  }

 private:
  centimane::thread_pool pool_{bench::workers};
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<bench::each_future<pool>>);

}  // namespace
