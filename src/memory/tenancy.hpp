// The worker's side of an arena: maps what the driver lends, hands out views of arguments, notices when the last of
// them is gone, keeps the grants that results are written into. It believes the driver.
//
// A view may be dropped by any thread, at any time, also after all this is gone: that only pushes its lease on a list.
// The worker's own thread then undoes what was written to the pages and gives the lease back. What was viewed when this
// process was copied (a task forked) is never given back: the copy may look into it as long as it lives, and the block
// stays with the worker until its end.
//
// Thread safety: one thread, but for the views' ends and forked().
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "centimane/bytes.hpp"
#include "memory/ledger.hpp"
#include "platform/fd.hpp"
#include "platform/mapping.hpp"

namespace centimane::memory {

class tenancy {
 public:
  tenancy() : ended_(std::make_shared<ended_views>()) {}

  // ---- segments. Throw std::system_error.
  void map(segment_number number, use what, const platform::fd& memory, std::uint64_t size);
  /// None of its blocks is in use any more.
  void unmap(segment_number number) { maps_.erase(number); }

  // ---- arguments
  /// The argument of a task: `length` bytes of the block. Throws std::runtime_error if its segment could not be mapped.
  annexed view(lease l, segment_number segment, std::uint64_t offset, std::uint64_t length);
  /// Appends the leases whose last view has ended since.
  void collect(std::vector<lease>& to);

  // ---- grants
  struct room {
    lease number;
    std::byte* at;
    std::uint64_t size;
  };
  /// The driver has granted a block. False: its segment could not be mapped.
  bool granted(lease l, segment_number segment, std::uint64_t offset, std::uint64_t size);
  /// The best of what is granted for `size` bytes: of exactly the size of block that they need, the warmest.
  std::optional<room> take(std::uint64_t size);
  /// Gives all unused grants up.
  std::vector<lease> give_up();

  /// In the parent, after a fork of this process.
  void forked() noexcept { ended_->copies.fetch_add(1, std::memory_order_relaxed); }

 private:
  /// A view's entry in the list of those that have ended; it is there before the view, so that its end allocates
  /// nothing.
  struct entry {
    lease number;
    std::byte* at;
    std::uint64_t length;
    std::uint32_t copies;  ///< how often the process had been copied when it began
    entry* next;
  };
  struct ended_views {
    std::atomic<entry*> first{nullptr};
    std::atomic<std::uint32_t> copies{0};
    ~ended_views();
  };
  std::unordered_map<segment_number, platform::mapping> maps_;
  std::vector<room> grants_;
  std::shared_ptr<ended_views> ended_;
};

}  // namespace centimane::memory
