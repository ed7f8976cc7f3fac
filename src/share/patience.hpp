// How long somebody waits for what another process does, and what is looked at meanwhile. A wait is a row of short
// sleeps: between two of them the caller looks whether the other side still lives, for nothing else would tell it. So a
// wake-up that a dying process owed costs at most one of them.
//
// Thread safety: belongs to one wait.
#pragma once
#include <atomic>
#include <cstdint>

namespace centimane::share {

class patience {
 public:
  /// What a sleep ended with: look again; the time is over; whoever is asked between sleeps wants to stop.
  enum class after : std::uint8_t { again, late, stopped };
  using question = bool (*)(void*);

  static constexpr std::int64_t for_ever = INT64_MAX;

  /// Until that moment of the monotonic clock; 0: not at all. `go_on` is asked between two sleeps.
  explicit patience(std::int64_t until = for_ever, question go_on = nullptr, void* with = nullptr) noexcept
      : until_(until), go_on_(go_on), with_(with) {}

  /// Not even one sleep.
  [[nodiscard]] bool none() const noexcept { return until_ == 0; }
  [[nodiscard]] bool slept() const noexcept { return sleeps_ != 0; }
  /// No sleep any more.
  void give_up() noexcept { until_ = 0; }
  /// The time is no limit any more.
  void insist() noexcept { until_ = for_ever; }
  /// Sleeps while `word` holds `expected`, for 1 ms the first time, 100 ms from the fifth on, unless woken.
  after sleep(std::atomic<std::uint32_t>& word, std::uint32_t expected);

 private:
  std::int64_t until_;
  question go_on_;
  void* with_;
  std::uint32_t sleeps_ = 0;
};

}  // namespace centimane::share
