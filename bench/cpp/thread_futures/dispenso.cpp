#include <dispenso/future.h>
#include <dispenso/thread_pool.h>

#include "dispenso_version.hpp"
#include "futures.hpp"

namespace {

/// std::launch::async forbids it to run the task where it is submitted.
class pool {
 public:
  auto submit(int i) {
    return dispenso::async(pool_, std::launch::async, [i] { return i + 1; });
  }

 private:
  dispenso::ThreadPool pool_{bench::workers};
};

const bench::entry here("dispenso", bench::dispenso_version(), bench::make<bench::all_futures<pool>>);

}  // namespace
