// Fails a test that leaves anything behind: a process (found by a mark in its environment, so that one that was
// re-parented or became a daemon is found too), a child or a zombie, a descriptor, a thread, a mapped segment, a name
// of ours in /dev/shm, any name in TMPDIR, which is a folder of the test program's own: what others do in /tmp
// meanwhile is not our business.
//
//   int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }   // checks every test
//   class my_test : public centimane::test::leak_check {};                             // or only those of a fixture
//
// What a program keeps on purpose (a zygote made in main, an engine thread) is there before the test, and so is no
// difference.
#pragma once
#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace centimane::test {

inline constexpr const char* mark_name = "CENTIMANE_TEST_MARK";
inline constexpr const char* folder_name = "CENTIMANE_TEST_FOLDER";

/// Executes this program anew with a mark in its environment, which every process it makes inherits, forked or
/// executed, and with a TMPDIR of its own. (/proc shows the environment that a process was executed with: setenv would
/// not do.) Returns at once where the mark is set.
inline void mark_processes(char** argv) {
  if (std::getenv(mark_name) != nullptr) return;
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  const std::string mark = std::to_string(getpid()) + "-" + std::to_string(t.tv_nsec);
  setenv(mark_name, mark.c_str(), 1);
  char folder[] = "/tmp/test-XXXXXX";
  if (mkdtemp(folder) != nullptr) {
    setenv(folder_name, folder, 1);
    setenv("TMPDIR", folder, 1);
  }
  execv("/proc/self/exe", argv);
}

/// What is there at a moment.
struct belongings {
  std::multiset<std::string> processes, descriptors, segments, names;
  std::size_t threads = 0;
};

namespace detail {

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

inline std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> all;
  if (DIR* d = opendir(directory.c_str())) {
    while (const dirent* e = readdir(d)) {
      if (e->d_name[0] != '.') all.emplace_back(e->d_name);
    }
    closedir(d);
  }
  return all;
}

inline std::multiset<std::string> processes() {
  std::multiset<std::string> found;
  const char* mark = std::getenv(mark_name);
  const std::string wanted = mark == nullptr ? "" : std::string(mark_name) + "=" + mark + '\0';
  for (const std::string& name : entries("/proc")) {
    const int pid = std::atoi(name.c_str());
    if (pid <= 0 || pid == getpid()) continue;
    const std::string stat = contents("/proc/" + name + "/stat");  // pid (comm) state ppid …; comm may hold anything
    const std::size_t behind = stat.rfind(')');
    if (behind == std::string::npos || behind + 4 > stat.size()) continue;
    const char state = stat[behind + 2];
    const bool child = std::atoi(stat.c_str() + behind + 4) == getpid();
    const bool ours =
        !wanted.empty() && (contents("/proc/" + name + "/environ") + '\0').find(wanted) != std::string::npos;
    if (child || (ours && state != 'Z'))
      found.insert("process " + name + " state " + state + (child ? " (child)" : ""));
  }
  return found;
}

inline std::multiset<std::string> descriptors() {
  std::multiset<std::string> found;
  for (const std::string& name : entries("/proc/self/fd")) {
    char target[512];
    const ssize_t n = readlink(("/proc/self/fd/" + name).c_str(), target, sizeof target);
    if (n < 0) continue;  // the listing's own
    found.insert("descriptor " + name + " -> " + std::string(target, static_cast<std::size_t>(n)));
  }
  return found;
}

inline std::multiset<std::string> segments() {
  std::multiset<std::string> found;
  std::istringstream maps(contents("/proc/self/maps"));
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find("memfd:");
    if (at != std::string::npos) found.insert("mapping of " + line.substr(at));
  }
  return found;
}

inline std::multiset<std::string> names() {
  std::multiset<std::string> found;
  for (const std::string& name : entries("/dev/shm")) {
    if (name.find("centimane") != std::string::npos) found.insert("file /dev/shm/" + name);
  }
  if (const char* folder = std::getenv(folder_name)) {
    for (const std::string& name : entries(folder)) found.insert(std::string("file ") + folder + "/" + name);
  }
  return found;
}

inline void added(const std::multiset<std::string>& before, const std::multiset<std::string>& after,
                  std::vector<std::string>& to) {
  for (const std::string& one : after) {
    if (before.count(one) < after.count(one)) to.push_back(one);
  }
}

}  // namespace detail

inline belongings look() {
#if defined(__SANITIZE_THREAD__)
  // ThreadSanitizer starts a thread of its own with the program's first: it is to be there before anything is counted.
  static const bool there = (std::thread([] {}).join(), true);
  static_cast<void>(there);
#endif
  belongings all;
  all.processes = detail::processes();
  all.descriptors = detail::descriptors();
  all.segments = detail::segments();
  all.names = detail::names();
  all.threads = detail::entries("/proc/self/task").size();
  return all;
}

/// What is there and was not.
inline std::vector<std::string> leaked(const belongings& before) {
  const belongings after = look();
  std::vector<std::string> all;
  // A process that goes by while we look (state changes) is compared by number only.
  const auto plain = [](const std::multiset<std::string>& from) {
    std::multiset<std::string> numbers;
    for (const std::string& one : from) numbers.insert(one.substr(0, one.find(" state")));
    return numbers;
  };
  const auto known = plain(before.processes);
  for (const std::string& one : after.processes) {
    if (known.count(one.substr(0, one.find(" state"))) == 0) all.push_back(one);
  }
  detail::added(before.descriptors, after.descriptors, all);
  detail::added(before.segments, after.segments, all);
  detail::added(before.names, after.names, all);
  if (after.threads > before.threads) {
    all.push_back(std::to_string(after.threads - before.threads) + " threads");
  }
  return all;
}

/// The same, given time: what was killed needs a moment to be gone. Looks until nothing is left or `patience` is over.
inline std::vector<std::string> leaked_after(const belongings& before,
                                             std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  const auto latest = std::chrono::steady_clock::now() + patience;
  for (;;) {
    std::vector<std::string> all = leaked(before);
    if (all.empty() || std::chrono::steady_clock::now() >= latest) return all;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

inline void expect_nothing_left(const belongings& before) {
  for (const std::string& one : leaked_after(before)) ADD_FAILURE() << "left behind: " << one;
}

/// A fixture that checks its tests. One that overrides SetUp or TearDown calls these (TearDown last).
class leak_check : public ::testing::Test {
 protected:
  void SetUp() override { before_ = look(); }
  void TearDown() override { expect_nothing_left(before_); }

 private:
  belongings before_;
};

/// Checks every test of a program, whatever its fixture.
class leak_listener : public ::testing::EmptyTestEventListener {
 public:
  void OnTestStart(const ::testing::TestInfo&) override { before_ = look(); }
  void OnTestEnd(const ::testing::TestInfo&) override { expect_nothing_left(before_); }

 private:
  belongings before_;
};

/// A program's main: marks its processes, checks each test, runs them. `let_go`, if given, is told of each test's end
/// before the check: there a program lets go of what it keeps warm.
inline int run_all(int argc, char** argv, ::testing::TestEventListener* let_go = nullptr) {
  mark_processes(argv);
  ::testing::InitGoogleTest(&argc, argv);
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();  // owns them; an end is told to the last one first
  listeners.Append(new leak_listener);
  if (let_go != nullptr) listeners.Append(let_go);
  const int failed = RUN_ALL_TESTS();
  if (const char* folder = std::getenv(folder_name)) rmdir(folder);
  return failed;
}

}  // namespace centimane::test
