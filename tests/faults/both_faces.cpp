// What the C++ face does with a file that it has in common with the Python face; tests/python/test_both_faces.py plays
// it. Prints one JSON line.
#include "both_faces.hpp"

#include <time.h>

#include <centimane/centimane.hpp>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

namespace cm = centimane;
using nlohmann::json;

namespace {

std::int64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

/// Takes tokens of a shared limiter: of each, two looks at the clock between which it was taken.
json take(const json& plan) {
  cm::limiter limiter(cm::rate_limit(plan["count"].get<double>(), cm::per::second, plan["burst"].get<std::size_t>()),
                      plan["file"].get<std::string>());
  if (plan.contains("pause")) limiter.pause(std::chrono::seconds(plan["pause"].get<int>()));
  std::vector<std::pair<std::int64_t, std::int64_t>> taken;
  while (taken.size() < plan["tokens"].get<std::size_t>()) {
    const std::int64_t after = now();
    if (limiter.wait(std::chrono::seconds(0))) taken.emplace_back(after, now());
  }
  return taken;
}

json record(const json& plan) {
  const auto result = cm::parallel_map(
      [](int n) { return n * n; }, std::vector<int>{1, 2, 3},
      {.executor = cm::sequential, .checkpoint = cm::checkpoint{plan["file"].get<std::string>(), "v1", "squares"}});
  return result.ok();
}

json look(const json& plan) {
  const cm::checkpoint_facts facts = cm::checkpoint_info(plan["file"].get<std::string>());
  return {
      {"face", facts.face}, {"function", facts.function}, {"version", facts.version}, {"completed", facts.completed}};
}

}  // namespace

int both_faces(const json& plan) {
  const std::string what = plan["both_faces"];
  json answer;
  try {
    answer["value"] = what == "take" ? take(plan) : what == "record" ? record(plan) : look(plan);
  } catch (const std::exception& e) {
    answer["error"] = e.what();
  }
  std::cout << answer << std::endl;
  return 0;
}
