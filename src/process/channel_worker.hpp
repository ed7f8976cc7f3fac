// The worker's end of a channel (channel.hpp has the whole). A worker's loop:
//
//   for (;;) switch (end.claim()) {
//     case channel_worker::next::task:    read control messages up to end.header().control;
//                                         end.open(); decode end.body(); end.running(); call; end.writing();
//                                         end.publish(head, bytes); break;
//     case channel_worker::next::dry:     face.idle(); end.sleep(); break;
//     case channel_worker::next::closing: return;
//   }
//
// It trusts the driver and makes a system call only to sleep or to ring a driver that sleeps. A death between any two
// instructions leaves what the driver needs to tell whose fault it is.
//
// Thread safety: one thread, but stop_requested and soft_stop_due, which any thread and any signal handler may call.
#pragma once
#include <algorithm>
#include <cstring>
#include <span>

#include "centimane/detail/payload.hpp"
#include "platform/clock.hpp"
#include "platform/fault.hpp"
#include "platform/mapping.hpp"
#include "process/bell.hpp"
#include "process/channel_layout.hpp"

namespace centimane::engine {

class channel_worker final : public phase_marker {
 public:
  /// Maps the memfds and the bell's page; all descriptors but `ring` may be closed afterwards. Throws
  /// std::system_error.
  channel_worker(int task, int result, int page, int ring);
  /// Over memory that is already mapped (tests: both ends in one process).
  channel_worker(channel_memory memory, const bell_page& page, int ring);
  channel_worker(const channel_worker&) = delete;
  channel_worker& operator=(const channel_worker&) = delete;
  ~channel_worker() = default;

  enum class next : std::uint8_t {
    task,     ///< one is in hand: header(), number(), body()
    dry,      ///< nothing to do: call idle hooks, then sleep(), then claim again
    closing,  ///< nothing to do, and nothing will come: leave
  };
  /// Claims the next task. Never blocks.
  next claim() noexcept;
  /// Sleeps until there may be something to claim. May return early.
  void sleep() noexcept;

  // ---- the task in hand, from claim to publish
  [[nodiscard]] const task_header& header() const noexcept { return header_; }  ///< a private copy
  [[nodiscard]] ordinal number() const noexcept { return number_; }
  /// In the ring, read-only; valid until publish.
  [[nodiscard]] std::span<const std::byte> body() const noexcept { return body_; }
  /// From now on it has begun: a death is its fault (stage read_args).
  void open() noexcept;
  void running() noexcept override;  ///< stage run
  void writing() noexcept override;  ///< stage write_result

  /// The largest result body that goes through the ring; a larger one goes as a block.
  [[nodiscard]] std::size_t largest() const noexcept { return largest_; }
  /// Publishes the result of the task in hand, waiting for room if the driver is behind.
  /// body.size() <= largest(). header.timed: with these times.
  void publish(const result_header& header, std::span<const std::byte> body, const phase_times& times = {}) noexcept;

  /// Asks the driver for a successor: this process should not take much more. Set it before publish, so that it is seen
  /// with the result.
  void want_recycle() noexcept;
  /// Has the task in hand been asked to stop? Two loads.
  [[nodiscard]] bool stop_requested() const noexcept;
  /// The same, and is it in the user's code (phase run) at this moment?
  [[nodiscard]] bool soft_stop_due() const noexcept;

 private:
  void attach(const std::byte* task, std::byte* result);
  void locate() noexcept;
  [[nodiscard]] std::uint32_t place(std::uint32_t size) noexcept;
  [[nodiscard]] std::uint32_t place_slowly(std::uint32_t size) noexcept;
  [[nodiscard]] bool fits(std::uint32_t size) noexcept;
  void start_over() noexcept;
  void wait_for_room(std::uint32_t size) noexcept;
  void refresh_head() noexcept { head_ = layout::unpack(task_->result_head.load(std::memory_order_seq_cst)); }
  void mark(phase at) noexcept {
    result_->stage.store(layout::pair(number_, static_cast<std::uint32_t>(at)), std::memory_order_release);
  }

  platform::mapping task_map_, result_map_;
  const layout::task_words* task_ = nullptr;
  const layout::descriptor* descriptors_ = nullptr;
  const std::byte* task_bytes_ = nullptr;
  layout::result_words* result_ = nullptr;
  std::byte* result_bytes_ = nullptr;
  bell_rope bell_;
  std::size_t largest_ = 0;
  std::uint32_t slots_ = 0, room_ = 0;

  // The task in hand.
  ordinal number_ = 0;
  task_header header_{};
  std::span<const std::byte> body_;

  // Where it stands: the slot of the bundle it is in, the offset of the next record there.
  std::uint32_t slot_ = 0, offset_ = 0;
  bool standing_ = false;

  layout::position tail_;        ///< what it has published
  layout::position head_;        ///< how far the driver had read when last looked at
  std::uint32_t quick_end_ = 0;  ///< up to that offset there is room, without a thought
};

// ---- the way of every task, in line

/// The record of task number_: in this bundle, or the first of a later one. Looked for only after the claim: before it,
/// the driver may still take the task back and put another in its place. `end` is read afresh each time, for the same
/// reason.
inline void channel_worker::locate() noexcept {
  if (!standing_ || !layout::before(number_, descriptors_[slot_].end.load(std::memory_order_relaxed))) {
    if (standing_) slot_ = (slot_ + 1) & (slots_ - 1);
    standing_ = true;
    while (!layout::before(number_, descriptors_[slot_].end.load(std::memory_order_relaxed))) {
      slot_ = (slot_ + 1) & (slots_ - 1);
    }
    const layout::descriptor& bundle = descriptors_[slot_];
    offset_ = bundle.offset.load(std::memory_order_relaxed);
    header_.control = bundle.control.load(std::memory_order_relaxed);
    header_.definition = bundle.definition.load(std::memory_order_relaxed);
    header_.item = bundle.item.load(std::memory_order_relaxed) - 1;
    header_.attempt = bundle.attempt.load(std::memory_order_relaxed);
    header_.watched = bundle.watched.load(std::memory_order_relaxed);
  }
  ++header_.item;
  std::uint32_t word = 0;
  std::memcpy(&word, task_bytes_ + offset_, sizeof word);
  header_.length = word & ~layout::block_bit;
  header_.kind = word >> 31;
  body_ = {task_bytes_ + offset_ + sizeof word, header_.length};
  offset_ += layout::task_record(header_.length);
}

inline channel_worker::next channel_worker::claim() noexcept {
  std::uint64_t now = result_->claim.load(std::memory_order_acquire);
  do {
    if (layout::low(now) == layout::high(now)) {
      // A driver that sleeps over earlier results must not wait for our idle hooks.
      bell_.ring_if_asleep();
      if (task_->closing.load(std::memory_order_acquire) == 0) return next::dry;
      // What was sent before closing was set is visible now.
      now = result_->claim.load(std::memory_order_acquire);
      if (layout::low(now) == layout::high(now)) return next::closing;
    }
  } while (!result_->claim.compare_exchange_weak(now, layout::pair(layout::high(now), layout::low(now) + 1),
                                                 std::memory_order_seq_cst, std::memory_order_acquire));
  number_ = layout::low(now);
  CENTIMANE_FAULT("worker.after_claim");
  locate();
  return next::task;
}

inline void channel_worker::open() noexcept {
  if (task_->timed.load(std::memory_order_relaxed) != 0) {
    result_->since.store(platform::now(), std::memory_order_relaxed);
  }
  mark(phase::open);
  CENTIMANE_FAULT("worker.after_open");
}

inline void channel_worker::running() noexcept {
  mark(phase::run);
  CENTIMANE_FAULT("worker.after_run_mark");
}

inline void channel_worker::writing() noexcept {
  mark(phase::write);
  CENTIMANE_FAULT("worker.write_mark");
}

/// Where `size` bytes go; waits until there is such a place.
inline std::uint32_t channel_worker::place(std::uint32_t size) noexcept {
  return tail_.offset + size <= quick_end_ ? tail_.offset : place_slowly(size);
}

inline void channel_worker::publish(const result_header& header, std::span<const std::byte> body,
                                    const phase_times& times) noexcept {
  const std::uint32_t wait = header.server_wait != 0 ? 8 : 0, timed = header.timed != 0 ? sizeof times : 0;
  const std::uint32_t length = static_cast<std::uint32_t>(body.size()) + wait + timed;
  const std::uint32_t size = layout::result_record(length);
  std::byte* at = result_bytes_ + place(size);
  const std::uint64_t word = layout::pair(layout::flags_of(header) | length, number_);
  std::memcpy(at, &word, sizeof word);
  CENTIMANE_FAULT("worker.half_written");
  if (wait != 0) std::memcpy(at + sizeof word, &header.server_wait, wait);
  if (timed != 0) std::memcpy(at + sizeof word + wait, &times, timed);
  if (!body.empty()) std::memcpy(at + sizeof word + wait + timed, body.data(), body.size());
  tail_.offset += size;
  tail_.number = number_ + 1;
  result_->result_tail.store(layout::pack(tail_), std::memory_order_seq_cst);
  CENTIMANE_FAULT("worker.after_commit");
  if (!layout::before(number_, task_->wake_at.load(std::memory_order_seq_cst))) bell_.ring_if_asleep();
}

}  // namespace centimane::engine
