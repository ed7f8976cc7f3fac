// Counts what tasks did from many threads, without making them share a cache line: for competitors that have no call
// that waits for detached tasks, and to check that none was lost.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace bench {

class tally {
 public:
  void count() noexcept {
    auto& n = cells_[here()].n;
    n.store(n.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t sum() const noexcept {
    std::uint64_t all = 0;
    for (const cell& c : cells_) all += c.n.load(std::memory_order_acquire);
    return all;
  }
  void wait_for(std::uint64_t n) const {
    while (sum() < n) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

 private:
  static constexpr std::size_t most = 256;
  struct alignas(64) cell {
    std::atomic<std::uint64_t> n{0};
  };
  /// A thread's own number among those alive.
  class place {
   public:
    place() {
      const std::lock_guard lock(mutex());
      while (at_ < most && taken()[at_]) ++at_;
      if (at_ == most) throw std::runtime_error("too many threads");
      taken()[at_] = true;
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() {
      const std::lock_guard lock(mutex());
      taken()[at_] = false;
    }
    [[nodiscard]] std::size_t at() const noexcept { return at_; }

   private:
    static std::mutex& mutex() {
      static std::mutex one;
      return one;
    }
    static std::array<bool, most>& taken() {
      static std::array<bool, most> all{};
      return all;
    }
    std::size_t at_ = 0;
  };
  static std::size_t here() {
    static thread_local const place mine;
    return mine.at();
  }
  std::array<cell, most> cells_{};
};

}  // namespace bench
