// Which worker is inside which item, told by the tasks themselves, and who kills one of them there.
//
// A task notes its item when it begins and when it ends, in a file named by its process. The killer stops a worker with
// SIGSTOP, reads what it noted last, and only if it stands inside an item ends it with SIGKILL: so it is known
// beforehand which items are lost. Some items linger until the killer has struck: it finds somebody inside an item,
// however late it comes on a busy computer.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

namespace demo {

inline constexpr std::size_t record = 16;

/// One record of fixed length, appended by one write: 'B' or 'E', the item's index.
inline void note(const std::string& folder, char mark, std::size_t index) {
  char line[record + 1];
  std::snprintf(line, sizeof line, "%c%014zu\n", mark, index);
  const int file =
      open((folder + "/" + std::to_string(getpid())).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, line, record) != static_cast<ssize_t>(record)) std::perror("ledger");
  if (file >= 0) close(file);
}

/// The file that tells that the killer has struck at that quarter.
inline std::string mark(const std::string& folder, std::size_t quarter) {
  return folder + "/struck-" + std::to_string(quarter);
}

/// In the items at the quarters: stays there until the killer has struck. A minute is a watchdog's.
inline void linger(const std::string& folder, std::size_t items, std::size_t index) {
  const auto latest = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  for (const std::size_t quarter : {1U, 2U, 3U}) {
    while (index == items * quarter / 4 && !std::filesystem::exists(mark(folder, quarter)) &&
           std::chrono::steady_clock::now() < latest) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

/// Kills a worker at a quarter, at half and at three quarters of the items, from a thread of its own.
class killer {
 public:
  killer(std::string folder, std::size_t items)
      : folder_(std::move(folder)), items_(items), thread_([this] { run(); }) {}
  /// The run is over: no further kill. Answers the items that were lost.
  const std::set<std::size_t>& finish() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return lost_;
  }
  ~killer() { finish(); }
  killer(const killer&) = delete;
  killer& operator=(const killer&) = delete;

 private:
  void run() {
    for (const std::size_t quarter : {1U, 2U, 3U}) {
      while (begun() < items_ * quarter / 4 || !kill_one()) {
        if (over_) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      std::ofstream struck(mark(folder_, quarter));
    }
  }

  // Roughly: two records an item.
  std::size_t begun() const {
    std::size_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) bytes += entry.file_size();
    return bytes / (2 * record);
  }

  bool kill_one() {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const auto pid = static_cast<pid_t>(std::atol(entry.path().filename().c_str()));  // 0: a mark
      if (pid == 0 || gone_.contains(pid)) continue;
      if (kill(pid, SIGSTOP) != 0) {
        gone_.insert(pid);
        continue;
      }
      while (!halted(pid)) std::this_thread::yield();
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string all{std::istreambuf_iterator<char>(file), {}};
      if (all.size() >= record && all[all.size() - record] == 'B' && !over_) {
        lost_.insert(std::strtoull(all.c_str() + all.size() - record + 1, nullptr, 10));
        gone_.insert(pid);
        kill(pid, SIGKILL);
        return true;
      }
      kill(pid, SIGCONT);
    }
    return false;
  }

  static bool halted(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    const auto at = all.rfind(") ");
    return at == std::string::npos || std::string("TZX").find(all[at + 2]) != std::string::npos;
  }

  std::string folder_;
  std::size_t items_;
  std::set<std::size_t> lost_;
  std::set<pid_t> gone_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace demo
