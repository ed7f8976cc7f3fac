// The two workloads of futures: all submitted, then all taken; and one at a time. A competitor says how it submits a
// task with a result.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "bench.hpp"

namespace bench {

/// Pool: submit(int) answers something with get(), which gives the number back plus one.
template <class Pool>
class all_futures final : public contestant {
 public:
  nanos run(std::size_t n) override {
    std::vector<decltype(pool_.submit(0))> futures;
    futures.reserve(n);
    std::size_t sum = 0;
    const auto took = timed([&] {
      for (std::size_t i = 0; i < n; ++i) futures.push_back(pool_.submit(static_cast<int>(i)));
      for (auto& f : futures) sum += static_cast<std::size_t>(f.get());
    });
    check(sum == n * (n + 1) / 2, "sum of all results");
    return took;
  }

 private:
  Pool pool_;
};

template <class Pool>
class each_future final : public contestant {
 public:
  nanos run(std::size_t n) override {
    std::size_t sum = 0;
    const auto took = timed([&] {
      for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::size_t>(pool_.submit(static_cast<int>(i)).get());
    });
    check(sum == n * (n + 1) / 2, "sum of all results");
    return took;
  }

 private:
  Pool pool_;
};

}  // namespace bench
