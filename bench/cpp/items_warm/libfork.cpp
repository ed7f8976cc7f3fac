#include <libfork/core.hpp>
#include <libfork/schedule.hpp>

#include "libfork_version.hpp"
#include "tiny_items.hpp"

namespace {

/// Halves until a part is small; the size is the user's to choose, and this is near its best here. (Its own lf::map
/// needs a younger compiler than gcc 12.)
constexpr std::size_t small = 16384;

constexpr auto halves = [](auto self, const int* in, int* out, std::size_t n) -> lf::task<> {
  if (n <= small) {
    for (std::size_t i = 0; i < n; ++i) out[i] = bench::tiny(in[i]);
    co_return;
  }
  const std::size_t half = n / 2;
  co_await lf::fork(self)(in, out, half);
  co_await lf::call(self)(in + half, out + half, n - half);
  co_await lf::join;
};

struct work {
  void operator()(const int* in, int* out, std::size_t n) { lf::sync_wait(pool_, halves, in, out, n); }

 private:
  lf::lazy_pool pool_{bench::workers};
};

const bench::entry here("libfork", bench::libfork_version(), bench::make<bench::onto_warm<work>>);

}  // namespace
