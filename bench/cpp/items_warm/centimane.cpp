#include "centimane/parallel.hpp"

#include "tiny_items.hpp"

namespace {

/// A map without a result: each item writes to its own place. (What parallel_map returns is always fresh.)
struct work {
  void operator()(const int* in, int* out, std::size_t n) const {
    const std::span<const int> items(in, n);
    const auto done = centimane::parallel_map([=](const int& x) { out[&x - in] = bench::tiny(x); }, items);
    bench::check(done.ok(), "the map");
  }
};

const bench::entry here("centimane", CENTIMANE_VERSION, bench::make<bench::onto_warm<work>>);

}  // namespace
