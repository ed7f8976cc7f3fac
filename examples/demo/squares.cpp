// The tutorials' job: eight sums of squares, one after another and on two worker processes.
#include <centimane/centimane.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace cm = centimane;

namespace {

// Modulo a prime, so that the compiler cannot turn the loop into a formula.
std::uint64_t sum_of_squares(std::uint64_t count) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum = (sum + i * i) % 1'000'000'007;
  return sum;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  cm::init(argc, argv);
  const std::uint64_t n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
  const std::vector<std::uint64_t> items(8, n);

  auto start = std::chrono::steady_clock::now();
  std::vector<std::uint64_t> expected;
  for (const auto item : items) expected.push_back(sum_of_squares(item));
  const double sequential = seconds_since(start);

  start = std::chrono::steady_clock::now();
  auto result = cm::parallel_map(sum_of_squares, items,
                                 {.executor = cm::process, .workers = 2, .on_progress = cm::progress_bar()});
  const double parallel = seconds_since(start);

  std::printf("8 × %llu: sequential %.2f s, 2 workers %.2f s, speed-up %.2f\n", static_cast<unsigned long long>(n),
              sequential, parallel, sequential / parallel);
  return std::vector<std::uint64_t>(result.begin(), result.end()) == expected ? 0 : 1;
}
