// retry_schedule: how long an item waits before it is tried again. Pure and replayable: the jitter comes from a seed.
//
// Before attempt k + 1: backoff * 2^(k-1), at most max_delay; with jitter a uniform draw from the upper half of that,
// so that items which failed together do not come back together. A server's own word (Retry-After) is a floor under it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "centimane/detail/words.hpp"

namespace centimane::policy {

struct retry_rules {
  std::uint32_t attempts = 1;     ///< tries in all, the first included
  nanos backoff = 0;              ///< before the second attempt; doubles with each further one
  nanos max_delay = never;        ///< the longest wait that backoff may grow to
  nanos max_server_wait = never;  ///< the longest wait that a server's word is followed for
  bool jitter = true;
  std::uint64_t seed = 0;  ///< of the jitter
};

class retry_schedule {
 public:
  explicit retry_schedule(const retry_rules& rules) : rules_(rules), state_(rules.seed) {}

  /// The wait after attempt number `attempt` failed, or nothing if it was the last. server_wait: what the error itself
  /// asks for, or 0.
  [[nodiscard]] std::optional<nanos> wait_after(std::uint32_t attempt, nanos server_wait);
  /// What of a server's wait is followed.
  [[nodiscard]] nanos honoured(nanos server_wait) const {
    return std::clamp<nanos>(server_wait, 0, std::max<nanos>(rules_.max_server_wait, 0));
  }
  /// The backoff after that attempt, before jitter.
  [[nodiscard]] nanos backoff_after(std::uint32_t attempt) const;

 private:
  nanos spread(nanos delay);

  retry_rules rules_;
  std::uint64_t state_;
};

}  // namespace centimane::policy
