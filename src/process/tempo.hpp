// How many tasks a worker is given ahead: as many as fill about two milliseconds by measured time. Long tasks are sent
// two at a time, tiny ones by the thousand; take-back corrects what this guesses wrong.
//
// Where workers are many times the processors each waits for its turn most of the time, and the same work takes as many
// times longer: it is given as much more, or it would be woken for next to nothing.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "centimane/detail/words.hpp"

namespace centimane::engine {

class tempo {
 public:
  static constexpr std::uint32_t least = 2, most = 4096;
  static constexpr policy::nanos ahead = 2'000'000;

  explicit tempo(std::size_t workers = 1, std::size_t processors = 1) noexcept
      : ahead_(ahead *
               static_cast<policy::nanos>(std::max<std::size_t>(1, workers / std::max<std::size_t>(1, processors)))) {}

  /// n results came `time` after the worker got to work or gave the ones before.
  void measured(std::uint32_t n, policy::nanos time) noexcept {
    const policy::nanos each = std::max<policy::nanos>(1, time / n);
    // The least of late: a driver that looks late makes tasks seem long, nothing makes them seem short.
    each_ = std::min(each, each_ + each_ / 4 + 1);
    const auto wanted = static_cast<std::uint32_t>(std::clamp<policy::nanos>(ahead_ / each_, least, most));
    depth_ = std::min(wanted, depth_ * 4);  // it grows in steps: the first tasks may not be like the rest
  }
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }

 private:
  policy::nanos ahead_;
  policy::nanos each_ = 1'000'000'000;
  std::uint32_t depth_ = least;
};

}  // namespace centimane::engine
