#include <dispenso/parallel_for.h>

#include "dispenso_version.hpp"
#include "tiny_items.hpp"

namespace {

struct work {
  void operator()(const int* in, int* out, std::size_t n) {
    dispenso::TaskSet tasks(pool_);
    dispenso::parallel_for(tasks, std::size_t{0}, n, [=](std::size_t i) { out[i] = bench::tiny(in[i]); });
  }

 private:
  dispenso::ThreadPool pool_{bench::workers};
};

const bench::entry here("dispenso", bench::dispenso_version(), bench::make<bench::onto_warm<work>>);

}  // namespace
