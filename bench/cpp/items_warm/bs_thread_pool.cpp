#include <BS_thread_pool.hpp>

#include "bs_version.hpp"
#include "tiny_items.hpp"

namespace {

struct work {
  void operator()(const int* in, int* out, std::size_t n) {
    pool_.submit_loop(std::size_t{0}, n, [=](std::size_t i) { out[i] = bench::tiny(in[i]); }).wait();
  }

 private:
  BS::thread_pool<> pool_{bench::workers};
};

const bench::entry here("BS::thread_pool", bench::bs_version(), bench::make<bench::onto_warm<work>>);

}  // namespace
