#include "process/channel_worker.hpp"

#include <system_error>

#include "platform/futex.hpp"

namespace centimane::engine {

using namespace layout;

channel_worker::channel_worker(int task, int result, int page, int ring)
    : task_map_(task, platform::memory_size(task), platform::access::read),
      result_map_(result, platform::memory_size(result), platform::access::write),
      bell_(page, ring) {
  attach(task_map_.data(), result_map_.data());
}

channel_worker::channel_worker(channel_memory memory, const bell_page& page, int ring) : bell_(page, ring) {
  attach(memory.task, memory.result);
}

void channel_worker::attach(const std::byte* task, std::byte* result) {
  task_ = reinterpret_cast<const task_words*>(task);
  const channel_shape shape{task_->slots, task_->tasks, task_->task_bytes, task_->result_bytes};
  descriptors_ = reinterpret_cast<const descriptor*>(task + descriptors_at());
  task_bytes_ = task + task_bytes_at(shape);
  result_ = reinterpret_cast<result_words*>(result);
  result_bytes_ = result + result_bytes_at();
  slots_ = shape.slots;
  room_ = shape.result_bytes;
  largest_ = std::min(usual_largest, largest_result_in(room_));
}

void channel_worker::sleep() noexcept {
  CENTIMANE_FAULT("worker.before_park");
  const std::uint32_t park = result_->park.load(std::memory_order_seq_cst);
  result_->parked.store(1, std::memory_order_seq_cst);
  const std::uint64_t now = result_->claim.load(std::memory_order_seq_cst);
  if (low(now) == high(now) && task_->closing.load(std::memory_order_seq_cst) == 0) {
    bell_.ring_if_asleep();
    platform::futex_wait(result_->park, park);
  }
  result_->parked.store(0, std::memory_order_release);
}

// ---- room for results

/// Is there room for a record at tail_.offset, or after starting over? Decides which and does it. A mark of 8 bytes
/// must always fit behind.
bool channel_worker::fits(std::uint32_t size) noexcept {
  if (head_.lap != tail_.lap) {  // the driver is still in the lap before: up to where it reads
    quick_end_ = head_.offset;
    return tail_.offset + size <= quick_end_;
  }
  // An empty ring starts over early, so that a channel with little in flight touches few pages. Only an empty one:
  // until the driver follows into the new lap, there is no more room than what lies before its place in the old one.
  const bool start_early = tail_.offset == head_.offset && tail_.offset >= early && size <= head_.offset;
  if (!start_early && tail_.offset + size + 8 <= room_) {
    quick_end_ =
        std::min(room_ - 8, std::max(tail_.offset + size, tail_.offset + early));  // then look at the driver again
    return true;
  }
  if (size > head_.offset) return false;
  start_over();
  quick_end_ = head_.offset;
  return true;
}

void channel_worker::start_over() noexcept {
  const std::uint64_t mark = std::uint64_t{wrap_mark} << 32 | tail_.number;
  std::memcpy(result_bytes_ + tail_.offset, &mark, sizeof mark);
  ++tail_.lap;
  tail_.offset = 0;
}

std::uint32_t channel_worker::place_slowly(std::uint32_t size) noexcept {
  refresh_head();
  while (!fits(size)) wait_for_room(size);
  return tail_.offset;
}

void channel_worker::wait_for_room(std::uint32_t size) noexcept {
  const std::uint32_t park = result_->park.load(std::memory_order_seq_cst);
  result_->parked.store(2, std::memory_order_seq_cst);
  refresh_head();
  if (!fits(size)) {
    bell_.ring_if_asleep();
    platform::futex_wait(result_->park, park);
    refresh_head();
  }
  result_->parked.store(0, std::memory_order_release);
}

// ---- requests

void channel_worker::want_recycle() noexcept { result_->wants_recycle.store(1, std::memory_order_relaxed); }

bool channel_worker::stop_requested() const noexcept {
  const std::uint64_t asked = task_->soft_stop.load(std::memory_order_acquire);
  return asked != 0 && low(asked) == high(result_->stage.load(std::memory_order_relaxed));
}

bool channel_worker::soft_stop_due() const noexcept {
  const std::uint64_t stage = result_->stage.load(std::memory_order_relaxed);
  const std::uint64_t asked = task_->soft_stop.load(std::memory_order_acquire);
  return asked != 0 && low(asked) == high(stage) && low(stage) == static_cast<std::uint32_t>(phase::run);
}

}  // namespace centimane::engine
