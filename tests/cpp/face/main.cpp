// init() before anything else, as in any program that uses worker processes; then each test with the check that it
// leaves nothing behind. Warm process pools are let go first, and the thread pools that a program keeps are there
// before: keeping them is no leak.
#include <array>

#include "centimane/init.hpp"
#include "centimane/parallel.hpp"
#include "face/warm_pools.hpp"
#include "leak_check.hpp"
#include "share/segment.hpp"

namespace {

class let_go : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    centimane::engine::close_warm_pools(0);
    centimane::share::forget_handed_out();  // kept for whoever was to take it
  }
};

}  // namespace

int main(int argc, char** argv) {
  centimane::test::mark_processes(argv);
  centimane::init(argc, argv);
  for (const int workers : {0, 3, 8}) {  // all that the tests ask for
    const std::array nothing{0};
    (void)centimane::parallel_map([](int) {}, nothing, {.executor = centimane::thread, .workers = workers});
  }
  return centimane::test::run_all(argc, argv, new let_go);
}
