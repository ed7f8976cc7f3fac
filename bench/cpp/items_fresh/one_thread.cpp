
#include "tiny_items.hpp"

namespace {

/// The floor of one processor.
struct work {
  void operator()(const int* in, int* out, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) out[i] = bench::tiny(in[i]);
  }
};

const bench::entry here("a plain loop, one thread", CENTIMANE_BENCH_STD, bench::make<bench::onto_fresh<work>>);

}  // namespace
