// A stranger's program: both kinds of executor, from an installed tree.
#include <centimane/centimane.hpp>
#include <cstdio>
#include <vector>

namespace cm = centimane;

namespace {
int square(int x) { return x * x; }
}  // namespace

int main(int argc, char** argv) {
  cm::init(argc, argv);
  const std::vector<int> items{1, 2, 3, 4, 5};
  for (const auto& where : {cm::sequential, cm::thread, cm::process}) {
    int sum = 0;
    for (const int value : cm::parallel_map(square, items, {.executor = where, .workers = 2})) sum += value;
    if (sum != 55) return 1;
  }
  std::printf("%s: works\n", argc > 1 ? argv[1] : "");
  return 0;
}
