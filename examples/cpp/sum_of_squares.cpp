// Sums of squares, eight times ten million: the tutorials' first example, sequential against parallel.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;

std::uint64_t sum_of_squares(std::uint64_t n) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    sum += i * i;
    asm volatile("" : "+r"(sum));  // or the compiler finds the formula
  }
  return sum;
}

double timed(const std::vector<std::uint64_t>& sizes, cm::executor where, std::vector<std::uint64_t>& sums) {
  auto begin = std::chrono::steady_clock::now();
  sums = cm::parallel_map(sum_of_squares, sizes, {.executor = where}).values();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int main() {
  cm::init();
  std::vector<std::uint64_t> sizes(8, 10'000'000), once, threads, processes;
  double one = timed(sizes, cm::sequential, once);
  double many = timed(sizes, cm::thread, threads);
  double apart = timed(sizes, cm::process, processes);
  std::printf("sequential %.3f s, threads %.3f s (%.2f x), processes %.3f s (%.2f x)\n", one, many, one / many, apart,
              one / apart);
  return once == threads && once == processes ? 0 : 1;
}
