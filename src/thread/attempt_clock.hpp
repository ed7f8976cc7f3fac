// What asks the task of a thread to end early: its run's flag, or the limit of the attempt. A thread cannot be ended
// from outside, so a limit is a question that the task may ask, and a verdict when it has come back.
//
// Thread safety: belongs to the thread that runs the attempt; the flag to any.
#pragma once
#include <atomic>
#include <cstdint>

#include "centimane/detail/payload.hpp"
#include "platform/clock.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class attempt_clock {
 public:
  explicit attempt_clock(const std::atomic<bool>& asked) noexcept : asked_(asked) {}

  /// The next attempt begins. due: when it has passed its limit; policy::never: it has none.
  void begin(policy::nanos due) noexcept {
    due_ = due;
    state_ = state::runs;
  }
  [[nodiscard]] const std::atomic<bool>& asked() const noexcept { return asked_; }
  /// Should the task end now?
  [[nodiscard]] bool stop_requested() const noexcept {
    return asked_.load(std::memory_order_relaxed) || (due_ != policy::never && platform::now() >= due_);
  }
  /// The user's code has returned: did it pass the limit? Decided when it is asked first, so that all who ask agree.
  [[nodiscard]] bool late() noexcept {
    if (state_ == state::runs) state_ = due_ != policy::never && platform::now() >= due_ ? state::late : state::in_time;
    return state_ == state::late;
  }

 private:
  enum class state : std::uint8_t { runs, in_time, late };
  const std::atomic<bool>& asked_;
  policy::nanos due_ = policy::never;
  state state_ = state::runs;
};

/// The account of an attempt that came back `took` after it had begun.
[[nodiscard]] engine::trouble overtime_of(policy::nanos limit, policy::nanos took, int worker);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
