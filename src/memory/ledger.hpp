// Who has which block of an arena: bookkeeping alone, no memory and no system call, so that it can be tested by itself
// under random histories.
//
//   free ──argument()──► argument  (held by a parcel, by a worker, or by both) ──settle(), take_back()──► free
//   free ──grant()────► grant     (held by a worker) ──give_up(), died()──► free
//                        grant ──publish()──► view (held by the driver's program) ──release()──► free
//
// A lease is a number that is never given twice, so a message that comes late names nothing. What a worker says is only
// ever compared with what stands here: each call that repeats a worker's word answers whether it can be true.
//
// Rules that keep one worker's damage to itself: a segment whose blocks are granted belongs to one worker from its
// first grant to its end. When that worker dies, or the process forks while a block is viewed, the segment is retired:
// nothing of it is handed out again, and it goes with its last lease.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace centimane::memory {

using lease = std::uint64_t;           ///< 0: none
using holder = std::uint64_t;          ///< a worker's life; 0: none
using segment_number = std::uint32_t;  ///< never used twice

/// What the blocks of a segment are for.
enum class use : std::uint8_t { arguments, results };
enum class state : std::uint8_t { free, argument, grant, view };

/// Where a block lies.
struct place {
  segment_number segment = 0;
  std::uint64_t offset = 0, size = 0;
  std::uint32_t leased_before = 0;
  /// Nothing was leased there before: its pages are not touched yet.
  [[nodiscard]] bool fresh() const noexcept { return leased_before == 0; }
};

class ledger {
 public:
  // ---- segments: the caller makes and unmakes the memory
  /// A new segment of free blocks. `whose`: the worker that results belong to; 0 for arguments.
  segment_number add(use what, holder whose, std::uint64_t block);
  /// Segments without a lease that nobody will use again: forgotten here, to be unmapped by the caller. Those that are
  /// retired, those whose blocks have been free since `before` or longer, and the oldest beyond `most` idle bytes.
  std::vector<segment_number> drop(std::int64_t before, std::uint64_t most = UINT64_MAX);
  /// Since when the segment that has been free for longest is; nothing if none is free.
  [[nodiscard]] std::optional<std::int64_t> free_since() const noexcept;

  // ---- leases. Each takes a block of that size, the one last used first; 0: there is none, add a segment.
  lease argument(std::uint64_t block);
  lease grant(holder worker, std::uint64_t block);
  [[nodiscard]] place where(lease l) const;

  // ---- arguments
  /// The worker is sent the block. False: it is not an argument, has a worker already, or nobody holds it for the task.
  bool lend(lease l, holder worker);
  /// The worker does not have it any more: its task was taken back, or it returned it.
  bool take_back(lease l, holder worker, std::int64_t now);
  /// The parcel is done with it. What the worker still has counts as kept from now on.
  void settle(lease l, std::int64_t now);

  // ---- results
  /// The worker has written `length` bytes, and will not again.
  bool publish(lease l, holder worker, std::uint64_t length);
  bool give_up(lease l, holder worker, std::int64_t now);
  void release(lease l, std::int64_t now);

  /// Nothing of its segment is handed out again.
  void spoil(lease l) {
    if (const auto at = leases_.find(l); at != leases_.end())
      retire(at->second.number, segments_.at(at->second.number));
  }

  // ---- events
  /// Grants of the worker become free, arguments are no longer with it, views stay.
  void died(holder worker, std::int64_t now);
  /// The process is being copied: what is viewed now is never reused.
  void pin();

  // ---- counts
  [[nodiscard]] std::uint64_t leased(use what) const noexcept { return leased_[static_cast<int>(what)]; }  ///< bytes
  [[nodiscard]] std::uint64_t leases() const noexcept { return leases_.size(); }
  [[nodiscard]] std::uint64_t segments() const noexcept { return segments_.size(); }
  /// Bytes of segments that have no lease at all.
  [[nodiscard]] std::uint64_t idle() const noexcept { return idle_; }
  /// Bytes of arguments that only the worker still holds.
  [[nodiscard]] std::uint64_t kept(holder worker) const noexcept;
  /// How many grants the worker has.
  [[nodiscard]] std::size_t grants(holder worker) const noexcept;
  /// Holds everything here together? For tests.
  [[nodiscard]] bool consistent() const;

 private:
  struct block {
    lease l = 0;
    state is = state::free;
    holder worker = 0;
    bool parcel = false;
    std::uint32_t leased_before = 0;
  };
  struct segment {
    use what;
    holder whose;
    std::uint64_t block_size;
    std::vector<block> blocks;
    std::vector<std::uint32_t> free;  ///< a stack: the last one used is the warmest
    bool retired = false;
    std::int64_t idle_since = 0;  ///< if all its blocks are free
    [[nodiscard]] bool idle() const noexcept { return free.size() == blocks.size(); }
    [[nodiscard]] std::uint64_t size() const noexcept { return block_size * blocks.size(); }
  };
  struct spot {
    segment_number number;
    std::uint32_t index;
  };
  struct tenant {
    std::unordered_set<lease> leases;  ///< arguments lent to it and grants
    std::uint64_t kept = 0;
    std::size_t grants = 0;
  };
  using shelf = std::tuple<use, holder, std::uint64_t>;  ///< what, whose, block size
  static shelf shelf_of(const segment& s) noexcept { return {s.what, s.whose, s.block_size}; }
  void retire(segment_number number, segment& s);
  void begin_idle(segment_number number, segment& s, std::int64_t now);
  lease take(use what, holder whose, std::uint64_t size, state as, holder worker);
  [[nodiscard]] block* find(lease l);
  void make_free(lease l, std::int64_t now);
  void leave(holder worker, lease l, bool was_grant, std::uint64_t kept);

  // No step looks at all segments, however many results the program holds on to (but pin and died, which are rare).
  std::unordered_map<segment_number, segment> segments_;
  std::map<shelf, std::set<segment_number>> open_;                ///< not retired, with a free block
  std::set<std::pair<std::int64_t, segment_number>> idle_order_;  ///< without a lease, by since when
  std::unordered_map<lease, spot> leases_;
  std::unordered_map<holder, tenant> tenants_;
  segment_number last_segment_ = 0;
  lease last_lease_ = 0;
  std::uint64_t leased_[2] = {0, 0};
  std::uint64_t idle_ = 0;
};

}  // namespace centimane::memory
