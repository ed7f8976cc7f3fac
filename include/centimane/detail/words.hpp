// The words that every room shares: an item's index, a time, how an attempt ends, how a run ends. A leaf: includes
// nothing of ours.
#pragma once
#include <cstdint>

namespace centimane::policy {

using index = std::uint64_t;  ///< an item's place in the input, from 0
using nanos = std::int64_t;   ///< a time or a duration on the monotonic clock

inline constexpr nanos never = INT64_MAX;

/// t + d, where "never" absorbs everything.
constexpr nanos later(nanos t, nanos d) noexcept { return d >= never - t ? never : t + d; }

/// How one attempt ended. `unsent`: taken back before it began, so it was no attempt.
enum class outcome : std::uint8_t { value, error, died, overtime, cancelled, unsent };

/// How a run ended. Only `completed` can be ok.
enum class status : std::uint8_t { completed, stopped, timed_out, aborted, source_failed };

}  // namespace centimane::policy
