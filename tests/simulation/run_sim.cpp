// run_simulation [histories] [first seed]: lives of policy::run, each from its seed, each checked at every step against
// run_model.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "run_world.hpp"

int main(int argc, char** argv) {
  const std::uint64_t histories = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  const std::uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::printf("policy::run: %llu histories from seed %llu\n", static_cast<unsigned long long>(histories),
              static_cast<unsigned long long>(first));
  std::fflush(stdout);
  simulation::run_world world;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed < first + histories; ++seed) world.history(seed);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  // A few histories cannot meet everything, and a replayed one need not.
  const bool all_met = world.seen().report(simulation::run_situations) || histories < 20'000;
  std::printf("%llu histories, %.0f a second: %s\n", static_cast<unsigned long long>(histories),
              static_cast<double>(histories) / seconds, all_met ? "all promises kept" : "a situation was never met");
  return all_met ? 0 : 1;
}
