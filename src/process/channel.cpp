#include "process/channel.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "platform/clock.hpp"
#include "platform/futex.hpp"
#include "platform/memfd.hpp"

namespace centimane::engine {

using namespace layout;

namespace {

constexpr std::size_t text_size = 64 * 1024;

const channel_shape& checked(const channel_shape& s) {
  const auto ring = [](std::uint32_t n) { return n >= 256 && n % 64 == 0 && n <= 64 * 1024 * 1024; };
  if (!std::has_single_bit(s.slots) || s.slots < 2 || !std::has_single_bit(s.tasks) || !ring(s.task_bytes) ||
      !ring(s.result_bytes)) {
    throw std::invalid_argument("centimane: a channel cannot have this shape");
  }
  return s;
}

}  // namespace

channel::channel(const channel_shape& shape)
    : shape_(checked(shape)),
      bundles_(shape.slots),
      offsets_(std::make_unique_for_overwrite<std::uint32_t[]>(shape.tasks)) {
  files_.task = platform::make_memory("centimane-task", task_segment(shape));
  files_.result = platform::make_memory("centimane-result", result_segment(shape));
  files_.text = platform::make_memory("centimane-text", text_size);
  task_map_ = platform::mapping(files_.task.get(), task_segment(shape), platform::access::write);
  result_map_ = platform::mapping(files_.result.get(), result_segment(shape), platform::access::write);
  text_map_ = platform::mapping(files_.text.get(), text_size, platform::access::read);
  // A child of the driver has no business here, and copying page tables of every channel would slow each fork.
  task_map_.keep_from_children();
  result_map_.keep_from_children();
  text_map_.keep_from_children();
  files_.task = platform::seal_for_readers(std::move(files_.task));
  platform::seal_size(files_.result.get());
  platform::seal_size(files_.text.get());
  task().slots = shape.slots;
  task().tasks = shape.tasks;
  task().task_bytes = shape.task_bytes;
  task().result_bytes = shape.result_bytes;
  done_ = limit_ = wake_at_ = shape.first;
  task().wake_at.store(shape.first, std::memory_order_relaxed);
  worker().claim.store(pair(shape.first, shape.first), std::memory_order_relaxed);
  worker().result_tail.store(pack({shape.first, 0, 0}), std::memory_order_relaxed);
  task_bytes_ = task_map_.data() + task_bytes_at(shape_);
  result_bytes_ = result_map_.data() + result_bytes_at();
}

void channel::close_files() { files_ = {}; }

// ---- sending

/// Finds room for at least one record of `least` bytes, at best for `wanted`: behind the newest one, or at the start of
/// the ring. A ring with little in flight starts over early, so that few pages are ever touched.
channel::spot channel::place(std::uint32_t least, std::uint32_t wanted) noexcept {
  const bool fresh = pending_ == 0;
  if (held() + pending_ == 0) return {0, shape_.task_bytes, true};
  const std::uint32_t first = offset_of(done_), where = free_at_;
  if (where < first) return {where, first - where - 1, fresh};  // never up to `first`: equal means empty
  const bool start_over = fresh && where >= early && first > 4 * (where - first) + wanted;
  if (!start_over && where + least <= shape_.task_bytes) return {where, shape_.task_bytes - where, fresh};
  return {0, first == 0 ? 0 : first - 1, true};
}

/// The bundle that the next records belong to: the pending one if they have its header and lie behind it, else a new
/// one.
bool channel::open_bundle(const task_header& header, const spot& where) noexcept {
  if (!where.fresh && at(appended_ - 1).takes(header)) return true;
  if (appended_ - oldest_ == shape_.slots) return false;
  const ordinal number = limit_ + pending_;
  at(appended_++) = {number, number, where.where, header};
  return true;
}

bool channel::append(const task_header& header, std::span<const std::byte> body) {
  if (body.size() > largest_here()) throw std::length_error("centimane: a task that large goes as a block");
  const std::uint32_t size = task_record(body.size());
  if (held() + pending_ == shape_.tasks) return false;
  const spot to = place(size, size);
  if (size > to.room || !open_bundle(header, to)) return false;
  const std::uint32_t word = static_cast<std::uint32_t>(body.size()) | (header.kind != 0 ? block_bit : 0);
  std::memcpy(task_bytes_ + to.where, &word, sizeof word);
  if (!body.empty()) std::memcpy(task_bytes_ + to.where + sizeof word, body.data(), body.size());
  offset_of(limit_ + pending_++) = to.where;
  free_at_ = to.where + size;
  at(appended_ - 1).end = limit_ + pending_;
  return true;
}

std::uint32_t channel::append(const task_header& header, const task_run& tasks) {
  const std::size_t most = std::min<std::size_t>(tasks.ends.size(), shape_.tasks - held() - pending_);
  if (most == 0) return 0;
  const std::span<const std::uint32_t> ends = tasks.ends.first(most);
  const spot to = place(ends.front() - tasks.base, ends.back() - tasks.base);
  const auto fit = std::upper_bound(ends.begin(), ends.end(), std::uint64_t{tasks.base} + to.room);
  const auto n = static_cast<std::uint32_t>(fit - ends.begin());
  if (n == 0 || !open_bundle(header, to)) return 0;
  std::memcpy(task_bytes_ + to.where, tasks.bytes + tasks.base, ends[n - 1] - tasks.base);
  std::uint32_t where = to.where;
  for (std::uint32_t k = 0; k < n; ++k) {
    offset_of(limit_ + pending_ + k) = where;
    where = to.where + (ends[k] - tasks.base);
  }
  pending_ += n;
  free_at_ = where;
  at(appended_ - 1).end = limit_ + pending_;
  return n;
}

void channel::describe(std::uint32_t slot) noexcept {
  auto* all = reinterpret_cast<descriptor*>(task_map_.data() + descriptors_at());
  descriptor& d = all[slot % shape_.slots];
  const bundle& b = at(slot);
  d.first.store(b.first, std::memory_order_relaxed);
  d.end.store(b.end, std::memory_order_relaxed);
  d.offset.store(b.offset, std::memory_order_relaxed);
  d.control.store(b.common.control, std::memory_order_relaxed);
  d.definition.store(b.common.definition, std::memory_order_relaxed);
  d.item.store(b.common.item, std::memory_order_relaxed);
  d.attempt.store(b.common.attempt, std::memory_order_relaxed);
  d.watched.store(b.common.watched, std::memory_order_relaxed);
}

void channel::wake_if(bool parked) noexcept {
  if (!parked) return;
  worker().park.fetch_add(1, std::memory_order_seq_cst);
  platform::futex_wake(worker().park);
}

void channel::publish() {
  if (pending_ == 0) return;
  while (newest_ != appended_) describe(newest_++);
  const std::uint64_t before_us = worker().claim.fetch_add(pair(pending_, 0), std::memory_order_seq_cst);
  if (high(before_us) != limit_) sane_ = false;
  limit_ += pending_;
  pending_ = 0;
  wake_if(worker().parked.load(std::memory_order_seq_cst) != 0);
}

std::uint32_t channel::take_back(std::uint32_t n) {
  if (!sane_ || pending_ != 0) return 0;
  std::uint64_t now = worker().claim.load(std::memory_order_acquire);
  std::uint32_t taken = 0;
  do {
    const std::uint32_t unclaimed = limit_ - low(now);
    if (high(now) != limit_ || unclaimed > held()) {
      sane_ = false;
      return 0;
    }
    taken = std::min(n, unclaimed);
    if (taken == 0) return 0;
  } while (!worker().claim.compare_exchange_weak(now, pair(limit_ - taken, low(now)), std::memory_order_seq_cst,
                                                 std::memory_order_acquire));
  // Nobody has seen what lies behind the new limit, nor will: drop whole bundles, shorten the last. The worker may
  // stand in that one, so it reads `end` afresh after each claim; the next publish makes this store visible to it.
  limit_ -= taken;
  while (newest_ != oldest_ && !before(at(newest_ - 1).first, limit_)) --newest_;
  if (newest_ != oldest_ && before(limit_, at(newest_ - 1).end)) {
    at(newest_ - 1).end = limit_;
    describe(newest_ - 1);
  }
  appended_ = newest_;
  free_at_ = offset_of(limit_);
  return taken;
}

// ---- receiving

bool channel::open_results() noexcept {
  if (!sane_) return false;
  upto_ = unpack(worker().result_tail.load(std::memory_order_acquire));
  if (upto_.number == done_) return false;
  const auto laps = static_cast<std::uint8_t>(upto_.lap - read_.lap);
  const bool ahead = laps == 0 ? upto_.offset >= read_.offset : laps == 1 && upto_.offset <= read_.offset;
  sane_ = upto_.number - done_ <= held() && ahead && upto_.offset <= shape_.result_bytes;
  return sane_;
}

/// Reads the next record's header into `r`, each word once, and checks it against what we know. Only then does its task
/// count as done.
bool channel::next_result(result& r) noexcept {
  if (!sane_) return false;
  if (done_ == upto_.number) {
    sane_ = read_.offset == upto_.offset && read_.lap == upto_.lap;
    return false;
  }
  for (;;) {
    const bool same_lap = read_.lap == upto_.lap;
    const std::uint32_t left = (same_lap ? upto_.offset : shape_.result_bytes) - read_.offset;
    auto* words = reinterpret_cast<std::uint64_t*>(result_map_.data() + result_bytes_at() + read_.offset);
    const std::uint64_t word = left < 8 ? 0 : std::atomic_ref<std::uint64_t>(words[0]).load(std::memory_order_relaxed);
    if (high(word) == wrap_mark && !same_lap) {
      ++read_.lap;
      read_.offset = 0;
      continue;
    }
    const std::uint32_t length = high(word) & length_mask, wait = (high(word) & flag_wait) != 0 ? 8 : 0;
    r.size = result_record(length);
    const std::uint32_t times = (high(word) & flag_timed) != 0 ? sizeof(phase_times) : 0;
    sane_ = left >= 8 && r.size <= left && length >= wait + times && low(word) == done_;
    if (!sane_) return false;
    r.number = done_;
    r.header = header_of(high(word));
    if (wait != 0) {
      r.header.server_wait =
          static_cast<nanos>(std::atomic_ref<std::uint64_t>(words[1]).load(std::memory_order_relaxed));
    }
    r.body = {result_bytes_ + read_.offset + 8 + wait, length - wait};
    settle_first();
    return true;
  }
}

/// Task done_ has its outcome. Its bytes are free; its bundle's slot only once a later bundle has an outcome, for until
/// then the worker stands on it and reads its end.
void channel::settle_first() noexcept {
  while (!before(done_, at(oldest_).end)) ++oldest_;
  if (stop_ == (stop_bit | done_)) {
    stop_ = 0;
    task().soft_stop.store(0, std::memory_order_release);
  }
  ++done_;
}

void channel::done_with(const result& r) noexcept {
  read_.offset += r.size;
  unreturned_ += r.size;
  if (unreturned_ >= shape_.result_bytes / 8) give_back(std::memory_order_release);
}

void channel::give_back(std::memory_order order) noexcept {
  unreturned_ = 0;
  task().result_head.store(pack({done_, read_.offset, read_.lap}), order);
}

void channel::close_results() noexcept {
  give_back(std::memory_order_seq_cst);
  wake_if(worker().parked.load(std::memory_order_seq_cst) == 2);
}

bool channel::readable() const noexcept { return high(worker().result_tail.load(std::memory_order_acquire)) != done_; }

std::uint32_t channel::held() const noexcept { return limit_ - done_; }

// ---- sleeping

void channel::ring_from(std::uint32_t k) {
  const ordinal wanted = done_ + (k == 0 ? 0 : k - 1);
  if (wanted == wake_at_) return;
  wake_at_ = wanted;
  task().wake_at.store(wanted, std::memory_order_seq_cst);
}

bool channel::due() const noexcept {
  const ordinal published = high(worker().result_tail.load(std::memory_order_seq_cst));
  if (published == done_) return false;
  return before(wake_at_, published) || worker().parked.load(std::memory_order_seq_cst) != 0;
}

// ---- watching

channel_state channel::look() const {
  // In this order: a living worker claims, stages, publishes, so what is read later can only be further on.
  const std::uint64_t claim = worker().claim.load(std::memory_order_acquire);
  const ordinal published = high(worker().result_tail.load(std::memory_order_acquire));
  const std::uint64_t stage = worker().stage.load(std::memory_order_acquire);
  const nanos since = worker().since.load(std::memory_order_relaxed);

  channel_state now;
  const ordinal next = low(claim);
  now.sane = sane_ && high(claim) == limit_ && next - done_ <= held() && published - done_ <= held() &&
             !before(published + 1, next) && low(stage) <= static_cast<std::uint32_t>(phase::write);
  if (!now.sane || held() == 0) return now;
  const auto at = static_cast<phase>(low(stage));
  const ordinal staged = high(stage);
  now.claimed = next != done_;
  if (!now.claimed || at == phase::none || staged - done_ >= held()) return now;  // it stands on an older task
  now.begun = true;
  now.at = staged == done_ ? at : phase::write;
  // A worker's word cannot move its own deadline: the first answer for a task holds, and no later one than now counts.
  if (seen_since_ == 0 || seen_ != done_) {
    seen_ = done_;
    seen_since_ = std::min(since, platform::now());
  }
  now.since = seen_since_;
  return now;
}

void channel::timed(bool on) { task().timed.store(on ? 1 : 0, std::memory_order_release); }

void channel::soft_stop() {
  stop_ = stop_bit | done_;
  task().soft_stop.store(stop_, std::memory_order_release);
}

void channel::closing() {
  task().closing.store(1, std::memory_order_seq_cst);
  wake_if(worker().parked.load(std::memory_order_seq_cst) != 0);
}

bool channel::wants_recycle() const noexcept { return worker().wants_recycle.load(std::memory_order_relaxed) != 0; }

std::string channel::text() const {
  std::string all(reinterpret_cast<const char*>(text_map_.data()), text_map_.size());
  all.resize(std::min(all.find('\0'), all.size()));
  return all;
}

}  // namespace centimane::engine
