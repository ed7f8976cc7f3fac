#include "policy/limiter.hpp"

#include <cassert>

namespace centimane::policy {
namespace {

/// Nothing here is longer: sums of two stay far from overflow, and 73 years are as good as never.
constexpr nanos longest = never / 4;

nanos period_of(index count, nanos per) {
  if (count >= static_cast<index>(per)) return 1;
  const nanos n = static_cast<nanos>(count);
  return std::min(per / n + (per % n != 0 ? 1 : 0), longest);
}

nanos slack_of(nanos period, index burst) {
  const index most = static_cast<index>(longest / period);
  return burst - 1 >= most ? longest : period * static_cast<nanos>(burst - 1);
}

}  // namespace

pace::pace(index count, nanos per, index burst) : period_(period_of(count, per)), slack_(slack_of(period_, burst)) {
  assert(count >= 1 && per >= 1 && burst >= 1);
}

void limiter::take(nanos now, index n) {
  assert(n <= available(now));
  if (n > 0) tat_ = pace_.taken(now, tat_, n);
}

index limiter::take_up_to(nanos now, index n) {
  n = std::min(n, available(now));
  take(now, n);
  return n;
}

}  // namespace centimane::policy
