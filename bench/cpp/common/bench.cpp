// The frame's main: rounds, and a line of JSON for each measurement.
#include "bench.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "centimane/init.hpp"
#include "missing.hpp"

namespace bench {
namespace {

struct competitor {
  std::string name, version;
  entry::maker make;
  double share;
};
std::vector<competitor>& competitors() {
  static std::vector<competitor> all;
  return all;
}

struct arguments {
  int rounds = 5;
  bool quick = false;
  std::string only;
};

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr, "usage: %s [--rounds N] [--quick] [--only COMPETITOR]\n", program);
  std::exit(2);
}

arguments read(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick") {
      a.quick = true;
    } else if (word == "--only" && i + 1 < argc) {
      a.only = argv[++i];
    } else if (word == "--rounds" && i + 1 < argc) {
      const char* const end = argv[i + 1] + std::strlen(argv[i + 1]);
      const auto [at, error] = std::from_chars(argv[i + 1], end, a.rounds);
      if (error != std::errc() || at != end || a.rounds < 1) usage(argv[0]);
      ++i;
    } else {
      usage(argv[0]);
    }
  }
  return a;
}

double measure(const competitor& who, std::size_t tasks) {
  const std::size_t n = std::max<std::size_t>(100, static_cast<std::size_t>(static_cast<double>(tasks) * who.share));
  const auto it = who.make();
  it->run(std::max<std::size_t>(10, n / 10));
  return static_cast<double>(it->run(n).count()) / static_cast<double>(n);
}

void tell_missing() {
  for (const absentee& who : absent) {
    std::printf(R"({"workload": "%s", "competitor": "%s", "missing": "%s"})"
                "\n",
                measured.name, who.name, who.reason);
  }
}

int main(int argc, char** argv) {
  const arguments a = read(argc, argv);
  tell_missing();
  auto all = competitors();
  std::sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
  if (!a.only.empty()) std::erase_if(all, [&](const competitor& c) { return c.name != a.only; });
  for (int round = 0; round < a.rounds; ++round) {
    // Each begins some rounds: who comes after whom must not matter.
    for (std::size_t i = 0; i < all.size(); ++i) {
      const competitor& who = all[(i + static_cast<std::size_t>(round)) % all.size()];
      const double value = measure(who, a.quick ? measured.quick_tasks : measured.tasks);
      std::printf(
          R"({"workload": "%s", "unit": "%s", "better": "%s", "competitor": "%s", "version": "%s", "round": %d, "value": %.4g})"
          "\n",
          measured.name, measured.unit, measured.better, who.name.c_str(), who.version.c_str(), round, value);
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace

entry::entry(std::string name, std::string version, maker make, double share) {
  competitors().push_back({std::move(name), std::move(version), make, share});
}

}  // namespace bench

int main(int argc, char** argv) {
  centimane::init();  // before any competitor starts a thread
  try {
    return bench::main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
}
