#include "policy/retry.hpp"

namespace centimane::policy {
namespace {

/// SplitMix64: one word of state, every seed is a good one.
std::uint64_t draw(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace

std::optional<nanos> retry_schedule::wait_after(std::uint32_t attempt, nanos server_wait) {
  if (attempt >= rules_.attempts) return std::nullopt;
  return std::max(spread(backoff_after(attempt)), honoured(server_wait));
}

nanos retry_schedule::backoff_after(std::uint32_t attempt) const {
  if (rules_.backoff <= 0) return 0;
  const std::uint32_t doublings = attempt - 1;
  const bool too_long = doublings >= 63 || rules_.backoff > (never >> doublings);
  return too_long ? rules_.max_delay : std::min(rules_.backoff << doublings, rules_.max_delay);
}

nanos retry_schedule::spread(nanos delay) {
  if (!rules_.jitter || delay <= 1) return delay;
  return delay - static_cast<nanos>(draw(state_) % (static_cast<std::uint64_t>(delay / 2) + 1));
}

}  // namespace centimane::policy
