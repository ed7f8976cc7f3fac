// What every simulation is made of: dice thrown from a seed, a CHECK that names the seed of the history it fails in,
// and counts of the rare situations that the histories met. Independent of NDEBUG: a release build checks as much.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace simulation {

/// The history that runs now: the one to give back to the program to see it again.
inline std::uint64_t current_seed = 0;

[[noreturn]] inline void fail(const char* what, const char* file, int line) {
  std::printf("seed %llu: %s fails (%s:%d); replay with: 1 %llu\n", static_cast<unsigned long long>(current_seed), what,
              file, line, static_cast<unsigned long long>(current_seed));
  std::fflush(stdout);
  std::_Exit(1);
}

#define CHECK(condition)                                  \
  do {                                                    \
    if (!(condition)) [[unlikely]]                        \
      ::simulation::fail(#condition, __FILE__, __LINE__); \
  } while (false)

/// SplitMix64.
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}

  /// Uniform in [0, n), n up to 2^32. By multiplication: a division would cost more than the rest of a step.
  std::uint64_t operator()(std::uint64_t n) { return ((draw() >> 32) * n) >> 32; }
  bool one_in(std::uint64_t n) { return (*this)(n) == 0; }

 private:
  std::uint64_t draw() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

/// How often each situation of `Situation`, an enum that ends in `count_`, was met. A simulation that never meets what
/// it is there for proves nothing, however green.
template <class Situation>
class coverage {
 public:
  static constexpr std::size_t size = static_cast<std::size_t>(Situation::count_);

  void met(Situation s) { ++counts_[static_cast<std::size_t>(s)]; }
  void met_if(bool condition, Situation s) { counts_[static_cast<std::size_t>(s)] += condition ? 1U : 0U; }

  /// Prints the counts; false if one is 0.
  [[nodiscard]] bool report(const std::array<const char*, size>& names) const {
    bool all = true;
    for (std::size_t i = 0; i < size; ++i) {
      std::printf("  %-44s %12llu%s\n", names[i], static_cast<unsigned long long>(counts_[i]),
                  counts_[i] == 0 ? "   NEVER MET" : "");
      all = all && counts_[i] != 0;
    }
    return all;
  }

 private:
  std::array<std::uint64_t, size> counts_{};
};

}  // namespace simulation
