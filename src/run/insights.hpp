// What a run counts of itself: who had how many items, and on watched runs where their time went. Pure: it is told what
// happened and when.
//
// Cost: O(1) a range of values; on watched runs O(1) an attempt. Memory: a worker's worth, whatever the length.
#pragma once
#include <vector>

#include "centimane/insights.hpp"
#include "run/port.hpp"

namespace centimane::engine {

class ledger {
 public:
  explicit ledger(nanos begun, bool detailed) : begun_(begun), detailed_(detailed) {}

  /// n items had their outcome at this worker (-1: at none), with one attempt each that was not told before.
  void settled(int worker, index n) {
    if (worker < 0) return;
    lane& l = at(worker);
    l.items += n;
    l.attempts += n;
  }
  /// One attempt that is made again.
  void again(int worker) {
    if (worker >= 0) ++at(worker).attempts;
  }
  /// Watched runs: everything, attempts as well.
  void tell(const happening& what);
  void encoded(nanos took) { encoding_ += took; }
  void decoded(nanos took) { decoding_ += took; }
  void ended(nanos at) {
    if (ended_ == 0) ended_ = at;
  }

  [[nodiscard]] nanos begun() const noexcept { return begun_; }
  /// At any time; of an ended run the times are those at its end.
  [[nodiscard]] insights look(nanos now, index items, index failed) const;

 private:
  struct lane {
    index items = 0, attempts = 0;
    nanos busy = 0, running = 0, serialisation = 0, start_up = 0;
    nanos there = 0;        ///< how long its processes that are gone were there
    nanos there_since = 0;  ///< since when the present one is; 0: none
    std::int64_t pid = 0;
    std::size_t processes = 0;
  };
  [[nodiscard]] lane& at(int worker) {
    const auto w = static_cast<std::size_t>(worker);
    if (w >= lanes_.size()) lanes_.resize(w + 1);
    return lanes_[w];
  }
  void attempt(const happening& what);
  void note_slow(const happening& what);

  nanos begun_, ended_ = 0;
  bool detailed_;
  nanos encoding_ = 0, decoding_ = 0;
  std::vector<lane> lanes_;
  std::vector<slow_item> slowest_;  ///< a heap, the quickest on top
};

/// The times as they can be true: in order, within [from, to]. What a worker did not say is taken to be the phase
/// before it.
[[nodiscard]] phase_times sane(phase_times t, nanos from, nanos to) noexcept;

}  // namespace centimane::engine
