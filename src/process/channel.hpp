// The shared memory between the driver and ONE worker: control words, task ring, result ring. Two ends, each used by
// one thread at a time. Nothing a worker does to it can harm anybody but itself: the driver checks each word it reads.
//
// One 64-bit word a channel, claim = limit<<32 | next, says which tasks may begin. The worker claims by
// compare-exchange next+1; the driver publishes by limit+n and takes back from the tail by compare-exchange limit-k. A
// result exists once result_tail has moved past it. The stage word names the task the worker is on and its phase, so
// that a death is blamed exactly.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "centimane/detail/payload.hpp"
#include "platform/fd.hpp"
#include "platform/mapping.hpp"
#include "process/bell.hpp"
#include "process/channel_layout.hpp"

namespace centimane::engine {

/// The memfds of one channel: task (worker may only read), result (both write), text (crash text, worker writes by
/// descriptor).
struct channel_files {
  platform::fd task, result, text;
};

/// What the driver can know about where the worker is.
struct channel_state {
  bool sane = true;        ///< false: the worker wrote what it must not; kill it, stage::protocol
  bool begun = false;      ///< the first task without a result has begun (stage names it)
  bool claimed = false;    ///< it was claimed
  phase at = phase::none;  ///< its phase, if begun
  nanos since = 0;         ///< when it began, if the channel is timed
};

/// The driver's end.
class channel {
 public:
  /// Creates, maps and seals the memfds. Throws std::system_error; std::invalid_argument for a shape that cannot work.
  explicit channel(const channel_shape& shape = {});
  ~channel() = default;
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// For the fork request; closed once sent (the mappings stay).
  [[nodiscard]] const channel_files& files() const noexcept { return files_; }
  void close_files();
  /// The mappings, for an end in this process (tests).
  [[nodiscard]] channel_memory memory() const noexcept { return {task_map_.data(), result_map_.data()}; }

  // ---- sending. A bundle: append, append, …, publish.
  /// The largest body that goes through the ring of a channel of usual shape; a larger one goes as a block.
  static constexpr std::size_t largest = layout::usual_largest;
  /// The same for this channel's shape.
  [[nodiscard]] std::size_t largest_here() const noexcept {
    return std::min(largest, layout::largest_in(shape_.task_bytes));
  }
  /// Appends one task, not yet visible. False: no room now (bytes or bundle slots), nothing was written.
  bool append(const task_header& header, std::span<const std::byte> body);
  /// Appends as many of the tasks as there is room for in one piece, from the first on; answers how many. Asked again
  /// for the rest it may find room at the start of the ring. `header` is that of all of them. Cost: one memcpy.
  std::uint32_t append(const task_header& header, const task_run& tasks);
  /// Makes what was appended claimable as one bundle; wakes the worker if it sleeps.
  void publish();
  /// Takes back at most n published tasks from the tail that have not been claimed; answers how many. Never with
  /// appends pending.
  std::uint32_t take_back(std::uint32_t n);

  // ---- receiving
  struct result {
    ordinal number = 0;  ///< which task
    result_header header{};
    /// In the ring; valid during the call only, may be changed by a hostile worker while looked at.
    std::span<const std::byte> body;
    std::uint32_t size = 0;  ///< of the whole record
  };
  /// Calls sink(result) for each published result, in order; frees their space, wakes the worker if it waits for space.
  /// False: the worker broke the protocol (look().sane is false from then on). Results before the fault are delivered.
  /// The sink may not use this channel.
  template <class Sink>
  bool drain(Sink&& sink) {
    if (!open_results()) return sane_;
    result r;
    while (next_result(r)) {
      sink(std::as_const(r));
      done_with(r);
    }
    close_results();
    return sane_;
  }
  /// Is there a result to drain? One acquire load.
  [[nodiscard]] bool readable() const noexcept;
  /// Tasks published and without a drained result.
  [[nodiscard]] std::uint32_t held() const noexcept;

  // ---- sleeping: the worker rings the bell only from the k-th held task's result on (k = 1: the next), or when it
  // runs dry or full.
  void ring_from(std::uint32_t k);
  /// After the bell's announce: must the driver look again instead of sleeping?
  [[nodiscard]] bool due() const noexcept;

  // ---- watching
  [[nodiscard]] channel_state look() const;
  /// The worker stamps `since` at each task from now on.
  void timed(bool on);
  /// Asks the task in hand (the first without result) to stop; the worker's signal handler and stop_requested() see it.
  void soft_stop();
  /// Wakes the worker, if it sleeps, for what was posted on its control socket.
  void nudge() { wake_if(worker().parked.load(std::memory_order_seq_cst) != 0); }
  /// The worker leaves when it has run what it was sent. Wakes it.
  void closing();
  [[nodiscard]] bool wants_recycle() const noexcept;
  /// Crash text: what the worker wrote so far; at most 64 KiB.
  [[nodiscard]] std::string text() const;

 private:
  struct bundle {
    ordinal first = 0, end = 0;
    std::uint32_t offset = 0;
    task_header common{};
    [[nodiscard]] bool takes(const task_header& h) const noexcept {
      const bool next = h.item == (common.item == no_item ? no_item : common.item + (end - first));
      return next && common.definition == h.definition && common.attempt == h.attempt && common.control == h.control;
    }
  };
  /// Where records go: `room` bytes from `where` on. fresh: they cannot continue the bundle before them.
  struct spot {
    std::uint32_t where, room;
    bool fresh;
  };
  [[nodiscard]] layout::task_words& task() const noexcept {
    return *reinterpret_cast<layout::task_words*>(task_map_.data());
  }
  [[nodiscard]] layout::result_words& worker() const noexcept {
    return *reinterpret_cast<layout::result_words*>(result_map_.data());
  }
  [[nodiscard]] bundle& at(std::uint32_t slot) noexcept { return bundles_[slot % shape_.slots]; }
  [[nodiscard]] std::uint32_t& offset_of(ordinal n) noexcept { return offsets_[n & (shape_.tasks - 1)]; }
  [[nodiscard]] spot place(std::uint32_t least, std::uint32_t wanted) noexcept;
  [[nodiscard]] bool open_bundle(const task_header& header, const spot& at) noexcept;
  void describe(std::uint32_t slot) noexcept;
  void wake_if(bool parked) noexcept;
  bool open_results() noexcept;
  bool next_result(result& r) noexcept;
  void done_with(const result& r) noexcept;
  void close_results() noexcept;
  void settle_first() noexcept;
  void give_back(std::memory_order order) noexcept;

  channel_files files_;
  platform::mapping task_map_, result_map_, text_map_;
  channel_shape shape_;
  std::byte* task_bytes_ = nullptr;
  const std::byte* result_bytes_ = nullptr;

  // The ledger: what was sent and what came back, as the driver knows by itself. Tasks [done_, limit_) are held,
  // [limit_, limit_ + pending_) appended and not yet published.
  ordinal done_ = 0, limit_ = 0;
  std::uint32_t pending_ = 0;
  std::vector<bundle> bundles_;  ///< by slot; [oldest_, newest_) are in use, [newest_, appended_) pending
  std::uint32_t oldest_ = 0, newest_ = 0, appended_ = 0;
  std::unique_ptr<std::uint32_t[]> offsets_;  ///< of each task's record, by number
  std::uint32_t free_at_ = 0;                 ///< behind the newest record
  layout::position read_, upto_;  ///< of the result stream: next record to read; end of what drain was promised
  std::uint32_t unreturned_ = 0;  ///< bytes read and not yet given back
  std::uint32_t wake_at_ = 0;
  std::uint64_t stop_ = 0;
  bool sane_ = true;
  mutable ordinal seen_ = 0;      ///< the task of the last look that had begun,
  mutable nanos seen_since_ = 0;  ///< and since when
};

}  // namespace centimane::engine
