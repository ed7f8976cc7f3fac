// The tutorial's shared array: a worker doubles it in place, once as a shared_array, once found by its name.
#include <algorithm>
#include <centimane/centimane.hpp>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace cm = centimane;

namespace {

void print(const char* how, std::span<const int> numbers) {
  std::printf("%s:", how);
  for (const int n : numbers) std::printf(" %d", n);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  cm::init(argc, argv);
  const std::vector<int> numbers{1, 2, 3, 4, 5};

  const cm::shared_array shared(numbers);
  cm::parallel_map(
      [](const cm::shared_array<int>& all) {
        for (int& n : all) n *= 2;
      },
      std::vector{shared}, {.executor = cm::process})
      .raise_on_failure();
  print("shared_array", shared.span());

  auto named = cm::shared_memory::create(numbers.size() * sizeof(int));
  std::copy(numbers.begin(), numbers.end(), named.as<int>().begin());
  cm::parallel_map(
      [](const std::string& name) {
        const auto memory = cm::shared_memory::open(name);
        for (int& n : memory.as<int>()) n *= 2;
      },
      std::vector{named.name()}, {.executor = cm::process})
      .raise_on_failure();
  print("by name", named.as<int>());
  named.unlink();  // had it been forgotten, it would go with this program
}
