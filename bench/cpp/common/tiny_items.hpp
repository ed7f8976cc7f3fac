// Ten million numbers and a function that takes a fraction of a nanosecond: what is measured is what is around it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <vector>

#include "bench.hpp"

namespace bench {

constexpr int tiny(int x) noexcept { return x * 3 + 1; }

inline std::vector<int> numbers(std::size_t n) {
  std::vector<int> all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Looks at some of them only: looking at all would warm what the next measurement wants cold, or take longer than the
/// work.
template <class Values>
void check_tiny(const Values& values, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 997) check(values[i] == tiny(static_cast<int>(i)), "an item");
  check(values[n - 1] == tiny(static_cast<int>(n - 1)), "the last item");
}

/// Do: void operator()(const int* in, int* out, std::size_t n), in parallel. Made once a measurement, like a pool.
template <class Do>
class onto_warm final : public contestant {
 public:
  nanos run(std::size_t n) override {
    const auto in = numbers(n);
    std::vector<int> out(n, -1);
    work_(in.data(), out.data(), n);
    std::fill(out.begin(), out.end(), -1);
    const auto took = timed([&] { work_(in.data(), out.data(), n); });
    check_tiny(out, n);
    return took;
  }

 private:
  Do work_;
};

template <class Do>
class onto_fresh final : public contestant {
 public:
  nanos run(std::size_t n) override {
    const auto in = numbers(n);
    return timed([&] {
      const auto out = std::make_unique_for_overwrite<int[]>(n);
      work_(in.data(), out.get(), n);
      check_tiny(out, n);
    });
  }

 private:
  Do work_;
};

}  // namespace bench
