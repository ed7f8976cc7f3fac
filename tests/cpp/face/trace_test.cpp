// `.trace` on every executor: the file is there when the run has ended, whatever its end; a place where it cannot be is
// refused at the call.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "centimane/centimane.hpp"
#include "platform/fault.hpp"

namespace cm = centimane;
namespace fs = std::filesystem;

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

class traces : public testing::TestWithParam<cm::executor> {
 protected:
  const fs::path folder = fs::path(std::getenv("TMPDIR")) / "traces";
  const fs::path path = folder / "run.json";
  traces() { fs::create_directory(folder); }
  ~traces() override { fs::remove_all(folder); }

  std::vector<nlohmann::json> events() const {
    return nlohmann::json::parse(std::ifstream(path)).at("traceEvents").get<std::vector<nlohmann::json>>();
  }
  std::size_t attempts() const {
    std::size_t n = 0;
    for (const auto& e : events()) n += e.at("cat") == "attempt" ? 1 : 0;
    return n;
  }
  std::string end() const {
    for (const auto& e : events()) {
      if (e.at("name") == "run ended") return e.at("args").at("status");
    }
    return "";
  }
};

TEST_P(traces, have_each_attempt) {
  auto result =
      cm::parallel_map([](int n) { return n; }, numbers(300), {.executor = GetParam(), .workers = 2, .trace = path});
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.insights().detailed) << "what is measured is told";
  EXPECT_EQ(attempts(), 300u);
  EXPECT_EQ(end(), "completed");
}

TEST_P(traces, are_there_when_the_run_throws) {
  const auto refuse = [](const cm::item_result<int>&) { throw std::logic_error("no more"); };
  EXPECT_THROW((void)cm::parallel_map([](int n) { return n; }, numbers(300),
                                      {.executor = GetParam(), .workers = 2, .on_result = refuse, .trace = path}),
               std::logic_error);
  EXPECT_EQ(end(), "stopped");
}

TEST_P(traces, are_there_when_a_stream_is_left) {
  for ([[maybe_unused]] auto& r : cm::parallel_iter([](int n) { return n; }, numbers(10'000),
                                                    {.executor = GetParam(), .workers = 2, .trace = path})) {
    break;
  }
  EXPECT_EQ(end(), "stopped");
}

TEST_P(traces, are_refused_at_the_call) {
  const auto run = [&](const std::string& where) {
    (void)cm::parallel_map([](int n) { return n; }, numbers(3), {.executor = GetParam(), .workers = 2, .trace = where});
  };
  EXPECT_THROW(run(folder / "missing" / "run.json"), std::system_error);
  EXPECT_THROW(run(folder), std::system_error);
  EXPECT_THROW((void)cm::parallel_iter([](int n) { return n; }, numbers(3), {.executor = GetParam(), .trace = folder}),
               std::system_error);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_P(traces, are_not_made_by_default) {
  (void)cm::parallel_map([](int n) { return n; }, numbers(3), {.executor = GetParam(), .workers = 2});
  EXPECT_TRUE(fs::is_empty(folder));
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
TEST_P(traces, a_full_disk_costs_the_trace_and_not_the_run) {
  cm::platform::fault::find("new_file.write")->arm(1, cm::platform::fault::action::error, 28);
  auto result =
      cm::parallel_map([](int n) { return n; }, numbers(300), {.executor = GetParam(), .workers = 2, .trace = path});
  cm::platform::fault::disarm_all();
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(fs::is_empty(folder));
}
#endif

INSTANTIATE_TEST_SUITE_P(on, traces, testing::Values(cm::sequential, cm::thread, cm::process));

}  // namespace
