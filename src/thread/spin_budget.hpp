// How long a thread looks for something before it sleeps. Looking is worth it only while somebody else can bring it
// about on another processor: where looks have been in vain (threads share a processor, or work is rare) they become
// short, and every sixteenth is long again to see whether that has changed.
//
// Thread safety: none; each thread has its own.
#pragma once
#include <algorithm>

namespace centimane {
inline namespace v0 {
namespace detail {

class spin_budget {
 public:
  explicit constexpr spin_budget(int most) noexcept : most_(most), now_(most) {}
  /// How often to look this time.
  [[nodiscard]] int looks() noexcept { return ++turn_ % probe_every == 0 ? most_ : now_; }
  void ended(bool found) noexcept { now_ = found ? most_ : std::max(now_ / 2, least); }

 private:
  static constexpr unsigned probe_every = 16;
  static constexpr int least = 4;
  int most_, now_;
  unsigned turn_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
