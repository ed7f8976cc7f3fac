// How much memory may still be touched: control groups end a process that takes more than its share, they do not
// refuse. So before fresh pages are touched their number is compared with what is left.
//
// Thread safety: none; its owner's lock.
#pragma once
#include <cstdint>

namespace centimane::memory {

class headroom {
 public:
  /// May `bytes` fresh bytes be touched? Counts them as taken if so. Looks at the system only now and then: what it is
  /// told holds for a sixteenth of what was left, and for a tenth of a second.
  bool take(std::uint64_t bytes, std::int64_t now);
  /// What was left when last looked at.
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }

 private:
  std::uint64_t left_ = 0, granted_ = 0;
  std::int64_t looked_ = INT64_MIN;
};

}  // namespace centimane::memory
