// The shared memory of one process pool for what is too large for a ring: the driver's side. It makes segments, leases
// blocks of them (ledger.hpp has the rules) and copies arguments in; what workers write comes back as memory that the
// driver's program may keep.
//
//   argument: one copy into a block; the worker looks into it, copy-on-write, and gives it back. A parcel that is sent
//             again after a death needs no second copy.
//   result:   the worker asks for a grant, copies in and publishes; from then on the block lives as long as somebody
//             holds the view, whatever becomes of the worker and of the pool.
//
// Blocks are used again while they are warm; idle memory is given back. Nobody writes to memory that somebody else may
// write to: workers can only read argument segments, and a result segment is mapped for writing by one worker alone.
// The driver maps results copy-on-write, so a copy of the process made by fork has its own; what was viewed at a fork
// is never used again.
//
// Thread safety: any thread; no lock is held across a copy or while memory is mapped and unmapped.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "centimane/bytes.hpp"
#include "memory/headroom.hpp"
#include "memory/ledger.hpp"
#include "platform/fd.hpp"
#include "platform/fork_generation.hpp"
#include "platform/mapping.hpp"

namespace centimane::memory {

class arena;

/// Bytes in an argument block, held for the task that they belong to.
class argument {
 public:
  argument(std::shared_ptr<arena> from, lease l, const place& at, std::uint64_t length);
  ~argument();  ///< the task has its outcome: the block is free once no worker has it
  argument(const argument&) = delete;
  argument& operator=(const argument&) = delete;
  [[nodiscard]] lease number() const noexcept { return lease_; }
  [[nodiscard]] const place& where() const noexcept { return where_; }
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }

 private:
  std::shared_ptr<arena> arena_;
  lease lease_;
  place where_;
  std::uint64_t length_;
};

/// The answer to a worker that asks for room.
struct grant {
  lease number = 0;  ///< 0: refused, the memory is not there
  place where;
  std::uint64_t segment_size = 0;
  std::shared_ptr<const platform::fd> file;  ///< the segment's memory, if the worker has not had it before
  std::uint64_t need = 0, have = 0;
};

class arena : public std::enable_shared_from_this<arena> {
 public:
  static std::shared_ptr<arena> make();
  ~arena();
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  // ---- arguments
  /// Copies the parts into one block, each at a multiple of annex::alignment. Throws resource_limit, std::system_error.
  std::shared_ptr<const argument> write(std::span<const annex::part> parts);
  /// A segment's memory for a worker, which can read it.
  std::shared_ptr<const platform::fd> file_of(segment_number segment, std::uint64_t& size) const;
  bool lend(lease l, holder worker);
  bool take_back(lease l, holder worker);
  /// How many more arguments like the last ones should be written now: enough to keep workers busy, not all the memory.
  [[nodiscard]] std::uint64_t room() const noexcept;
  /// Does the worker keep so much that it should be replaced?
  [[nodiscard]] bool hoards(holder worker);

  // ---- workers
  holder enrol();
  void died(holder worker);

  // ---- results
  /// A block of at least `size` bytes. Throws std::system_error.
  grant give(holder worker, std::uint64_t size);
  /// One more of that size, for the worker's next result; nothing if that takes memory that is not warm already, or if
  /// it has one.
  std::optional<grant> give_ahead(holder worker, std::uint64_t size);
  /// The worker has published. Nothing: what it says cannot be true.
  std::optional<annexed> publish(lease l, holder worker, std::uint64_t length);
  bool give_up(lease l, holder worker);

  /// Has it more grants than an honest worker can use?
  [[nodiscard]] bool greedy(holder worker) const;

  // ---- giving memory back
  /// Called (on any thread, under the arena's lock: it must not come back here) when tidy() has something to do that
  /// nobody has planned. Emptied when the pool is gone: what is released from then on is unmapped at once.
  void on_release(std::function<void()> notify);
  /// Unmaps what has been idle for long enough. Answers the segments that workers should unmap too.
  std::vector<segment_number> tidy(std::int64_t now);
  /// When tidy has something to do; INT64_MAX: nothing.
  [[nodiscard]] std::int64_t tidy_at() const;

  // ---- for tests
  struct counts {
    std::uint64_t leases, segments, idle, arguments, results;
    bool consistent;
  };
  [[nodiscard]] counts count() const;

 private:
  struct piece {
    platform::mapping map;
    platform::fd file;                                ///< arguments only: ours, to write by
    std::shared_ptr<const platform::fd> for_workers;  ///< results: until their worker has it
    std::uint64_t size = 0;
  };
  arena();
  void make_segment(use what, holder whose, std::uint64_t block);
  void describe(grant& g);
  bool may_touch(std::uint64_t bytes, std::uint64_t& have);
  void settle(lease l);
  void release(lease l, std::byte* at, std::size_t size) noexcept;
  std::vector<piece> remove(const std::vector<segment_number>& gone);
  void plan(bool told);
  friend class argument;
  static void hold_all();
  static void let_all_go_in_parent();
  static void let_all_go_in_child();

  const std::uint32_t born_ = platform::fork_generation();
  mutable std::mutex mutex_;
  ledger ledger_;
  std::unordered_map<segment_number, piece> pieces_;
  std::vector<segment_number> dropped_;  ///< unmapped here, workers not told yet
  std::mutex looking_;                   ///< over headroom_, whose look takes its time
  headroom headroom_;
  std::function<void()> notify_;
  bool planned_ = false;
  holder last_holder_ = 0;
  std::uint64_t budget_;  ///< for arguments under way
  std::atomic<std::uint64_t> under_way_{0}, typical_{1};
};

}  // namespace centimane::memory
