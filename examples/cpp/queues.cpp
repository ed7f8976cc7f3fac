// Workers on an input and an output queue. Each draws the next task when it is free, so long and short ones balance by
// themselves; a task that is nothing ends it.
#include <centimane/centimane.hpp>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cm = centimane;

using tasks = cm::queue<std::optional<int>>;
using answers = cm::queue<std::pair<int, std::int64_t>>;

// The naive way, so that the tasks differ much in length.
std::int64_t fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

int work(tasks in, answers out) {
  int done = 0;
  while (const std::optional<int> n = in.get()) {
    out.put({*n, fibonacci(*n)});
    ++done;
  }
  return done;
}

int main(int argc, char** argv) {
  cm::init(argc, argv);
  tasks in;
  answers out;
  cm::process_pool pool(4);
  std::vector<cm::future<int>> workers;
  for (int k = 0; k < 4; ++k) workers.push_back(pool.submit(work, in, out));

  for (int n = 20; n > 0; --n) in.put(n);
  for (std::size_t k = 0; k < workers.size(); ++k) in.put(std::nullopt);

  int done = 0;
  for (auto& worker : workers) done += worker.get();
  std::map<int, std::int64_t> all;
  while (const auto answer = out.try_get()) all.insert(*answer);
  std::printf("%d tasks done, fibonacci(20) = %s\n", done, std::to_string(all.at(20)).c_str());
}
