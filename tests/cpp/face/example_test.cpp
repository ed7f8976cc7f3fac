// The example of the design, section 5, word for word, with what it leaves to the reader put around it.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace reader {
struct network_error : std::runtime_error {
  using runtime_error::runtime_error;
};
struct timeout_error : std::runtime_error {
  using runtime_error::runtime_error;
};
int saved = 0, logged = 0, used = 0;
int crunch(const int& n) {
  if (n == 3) throw network_error("unreachable");
  return n * n;
}
void save(int input, int value) { saved += input * input == value; }
template <class E>
void log(std::size_t index, const E& error) {
  logged += index == 3 && error.what() == std::string("unreachable");
}
void use(int) { ++used; }
std::vector<int> inputs{0, 1, 2, 3, 4};
}  // namespace reader

#define main example_main
// clang-format off
using namespace reader;  // NOLINT
#include <centimane/centimane.hpp>
namespace cm = centimane;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
  cm::init(argc, argv);                       // forks the clean process that makes workers; first line of main
  auto result = cm::parallel_map(crunch, inputs, {
      .executor = cm::process, .workers = 4,
      .rate_limit = cm::rate_limit{90, cm::per::minute},
      .retry = cm::retry{.attempts = 3, .backoff = 1s, .on = cm::errors<network_error, timeout_error>},
      .task_timeout = 10s, .window_size = 1000, .on_progress = cm::progress_bar()});
  for (auto& [index, value] : result.successes()) save(inputs[index], value);
  for (auto& [index, error] : result.failures())  log(index, error);
  for (auto& value : result) use(value);      // throws one cm::exception_group if any item failed
  return 0;
}
// clang-format on
#undef main

// Compiled word for word; run with a rate that does not keep the test waiting.
TEST(example, means_what_it_says) {
  auto result = cm::parallel_map(
      crunch, inputs,
      {.executor = cm::process,
       .workers = 4,
       .rate_limit = cm::rate_limit{90'000, cm::per::minute},
       .retry = cm::retry{.attempts = 3, .backoff = 1ms, .on = cm::errors<network_error, timeout_error>},
       .task_timeout = 10s,
       .window_size = 1000});
  for (auto& [index, value] : result.successes()) save(inputs[index], value);
  for (auto& [index, error] : result.failures()) log(index, error);
  EXPECT_EQ(saved, 4);
  EXPECT_EQ(logged, 1);
  EXPECT_THROW(
      {
        for (auto& value : result) use(value);
      },
      cm::exception_group);
  EXPECT_EQ(used, 0);
  (void)&example_main;
}
