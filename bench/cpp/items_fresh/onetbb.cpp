#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/version.h>

#include "tiny_items.hpp"

namespace {

struct work {
  void operator()(const int* in, int* out, std::size_t n) const {
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), [=](const tbb::blocked_range<std::size_t>& part) {
      for (std::size_t i = part.begin(); i != part.end(); ++i) out[i] = bench::tiny(in[i]);
    });
  }
};

const bench::entry here("oneTBB", TBB_VERSION_STRING, bench::make<bench::onto_fresh<work>>);

}  // namespace
