#include "share/patience.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "platform/clock.hpp"
#include "platform/futex.hpp"

namespace centimane::share {

patience::after patience::sleep(std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  constexpr std::array<std::int64_t, 5> slices{1'000'000, 10'000'000, 20'000'000, 50'000'000, 100'000'000};
  if (none()) return after::late;
  const std::int64_t now = platform::now();
  if (now >= until_) return after::late;
  if (sleeps_ != 0 && go_on_ != nullptr && !go_on_(with_)) return after::stopped;
  const std::int64_t slice = slices.at(std::min<std::size_t>(sleeps_, slices.size() - 1));
  if (sleeps_ < slices.size()) ++sleeps_;
  platform::futex_wait_until(word, expected, std::min(until_, now + slice));
  return after::again;
}

}  // namespace centimane::share
