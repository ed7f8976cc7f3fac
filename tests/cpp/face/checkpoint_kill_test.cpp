// The driver killed at any point, and run again until the job is done. Judges: a file to which the function itself
// appends, and the rows that a copy of the checkpoint shows after each death.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

extern char** environ;

namespace {

namespace fs = std::filesystem;
constexpr int items = 800;

struct params {
  const char* executor;
  const char* form;
};

std::map<int, int> counted(const fs::path& folder) {
  std::map<int, int> counts;
  std::ifstream in(folder / "counts");
  for (int n = 0; in >> n;) ++counts[n];
  return counts;
}

/// What a resuming run will find. A copy is looked at: looking at the file itself would mend it.
std::set<int> recorded(const fs::path& folder) {
  std::set<int> found;
  const fs::path copy = folder / "copy";
  fs::remove_all(copy);
  fs::create_directory(copy);
  for (const char* name : {"work.ckpt", "work.ckpt-wal"}) {
    if (fs::exists(folder / name)) fs::copy_file(folder / name, copy / name);
  }
  if (!fs::exists(copy / "work.ckpt")) return found;
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open((copy / "work.ckpt").c_str(), &database), SQLITE_OK);
  const auto take = [](void* to, int, char** columns, char**) {
    static_cast<std::set<int>*>(to)->insert(std::stoi(std::string(columns[0]).substr(columns[0][0] == '#' ? 1 : 2)));
    return 0;
  };
  // Without the table there is no checkpoint yet.
  (void)sqlite3_exec(database, "SELECT CAST(key AS TEXT) FROM done", take, &found, nullptr);
  sqlite3_close(database);
  return found;
}

class killed : public testing::TestWithParam<params> {};

/// Runs the job; kills it after `patience` calls. True: it came to its end before.
bool run(const fs::path& folder, int patience) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), 0), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawn_file_actions_addclose(&actions, pipe[0]);
  posix_spawn_file_actions_addclose(&actions, pipe[1]);
  const auto& [executor, form] = testing::TestWithParam<params>::GetParam();
  std::string program = CHECKPOINT_JOB, where = folder.string(), e = executor, f = form;
  std::array<char*, 5> arguments{program.data(), where.data(), e.data(), f.data(), nullptr};
  pid_t job = 0;
  EXPECT_EQ(::posix_spawn(&job, CHECKPOINT_JOB, &actions, nullptr, arguments.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  bool done = false;
  std::array<char, 64> told{};
  while (patience > 0 && !done) {
    const auto n = ::read(pipe[0], told.data(), std::min<std::size_t>(told.size(), static_cast<std::size_t>(patience)));
    if (n <= 0) break;
    done = told[static_cast<std::size_t>(n) - 1] == '!';
    patience -= static_cast<int>(n);
  }
  if (!done) ::kill(job, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(job, &status, 0), job);
  ::close(pipe[0]);
  EXPECT_TRUE(!done || status == 0) << status;
  return done;
}

TEST_P(killed, again_and_again) {
  std::string name = (fs::temp_directory_path() / "killed-XXXXXX").string();
  const fs::path folder = ::mkdtemp(name.data());
  const auto& [executor, form] = GetParam();
  std::seed_seq seed{executor[0], form[0]};
  std::mt19937 draw(seed);
  std::map<int, int> settled;  // item: how often it had been run when it was recorded
  bool done = false;
  for (int round = 0; round < 100 && !done; ++round) {
    done = run(folder, static_cast<int>(1 + draw() % 400));
    if (done) break;
    auto counts = counted(folder);
    for (const int item : recorded(folder)) settled.try_emplace(item, counts[item]);
  }
  EXPECT_TRUE(done) << "it never came to its end";
  EXPECT_GT(settled.size(), 50U);
  auto end = counted(folder);
  EXPECT_EQ(end.size(), static_cast<std::size_t>(items));
  for (const auto& [item, times] : settled) EXPECT_EQ(end[item], times) << "item " << item << " was recorded";
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(each, killed,
                         testing::Values(params{"sequential", "map"}, params{"thread", "map"},
                                         params{"thread", "ordered"}, params{"process", "map"},
                                         params{"process", "keys"}, params{"process", "unordered"}),
                         [](const auto& one) { return std::string(one.param.executor) + "_" + one.param.form; });

}  // namespace
