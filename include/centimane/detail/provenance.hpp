// How the outcomes of a map came about: who made each, at which attempt, how long it took. Rows for ranges, as workers
// bring them, so that a plain map costs nothing an item.
//
// Thread safety: belongs to the run's thread, then to the result.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace centimane {
inline namespace v0 {
namespace detail {

class provenance {
 public:
  struct row {
    std::uint64_t first, count;
    unsigned attempts;
    int worker;
  };

  /// [first, first + n) have their outcomes. Each item once.
  void note(std::uint64_t first, std::uint64_t n, unsigned attempts, int worker) {
    if (!rows_.empty()) {
      row& last = rows_.back();
      if (last.first + last.count == first && last.attempts == attempts && last.worker == worker) {
        last.count += n;
        return;
      }
    }
    rows_.push_back({first, n, attempts, worker});
  }
  void took(std::uint64_t item, std::chrono::nanoseconds time) { times_[item] = time; }
  void forget(std::uint64_t item) { times_.erase(item); }
  [[nodiscard]] std::chrono::nanoseconds time_of(std::uint64_t item) const {
    const auto at = times_.find(item);
    return at == times_.end() ? std::chrono::nanoseconds{} : at->second;
  }

  /// The run has ended.
  void close(std::vector<std::string> keys) {
    std::ranges::sort(rows_, {}, &row::first);
    keys_ = std::move(keys);
  }
  /// Sorted. What is in none was never begun.
  [[nodiscard]] const std::vector<row>& rows() const noexcept { return rows_; }
  /// Empty without an item_key.
  [[nodiscard]] std::string_view key_of(std::uint64_t item) const noexcept {
    return item < keys_.size() ? std::string_view(keys_[static_cast<std::size_t>(item)]) : std::string_view();
  }

 private:
  std::vector<row> rows_;
  std::unordered_map<std::uint64_t, std::chrono::nanoseconds> times_;  ///< where times were taken
  std::vector<std::string> keys_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
