#include "share/queue_core.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <string>

#include "centimane/errors.hpp"
#include "platform/clock.hpp"
#include "platform/copy.hpp"
#include "platform/cpu_relax.hpp"
#include "platform/fault.hpp"
#include "platform/pages.hpp"

namespace centimane::share {
namespace {

constexpr std::size_t unit = queue_memory::unit;
constexpr std::uint32_t page_units = 4096 / unit;
/// A queue that is empty goes back to the ring's begin once it is so far in: what it uses stays in the processor's
/// cache.
constexpr std::uint32_t turn_after = (256U << 10) / unit;
constexpr std::uint32_t look_after = (16U << 10) / unit;
/// Pages of that much of the ring's begin are kept: a page that is new costs more than its copy.
constexpr std::uint32_t kept_units = (8U << 20) / unit;
/// Pages behind that go back to the system in runs of this size.
constexpr std::uint32_t batch_units = (1U << 20) / unit;
/// Rings up to this size keep all their pages.
constexpr std::uint64_t kept_whole = (16U << 20) / unit;
constexpr std::uint64_t most_ring_units = std::uint64_t{1} << 31;
/// Looks before a sleep: some microseconds, what the other side needs for its next item.
constexpr int spins = 400;

constexpr std::uint64_t units_of(std::uint64_t bytes) noexcept {
  return (bytes + sizeof(std::uint64_t) + unit - 1) / unit;
}

queue_memory& checked(std::span<std::byte> memory) {
  const auto damaged = [](const char* what) {
    return payload_error(std::string("centimane: the memory of a queue is damaged: ") + what, "read_args");
  };
  if (memory.size() < ring_offset || reinterpret_cast<std::uintptr_t>(memory.data()) % 64 != 0)
    throw damaged("it is too small");
  auto* it = reinterpret_cast<queue_memory*>(memory.data());
  if (it->magic != queue_memory::mark) throw damaged("there is no queue in it");
  const std::uint64_t units = it->ring_units;
  if (!std::has_single_bit(units) || units > most_ring_units || units > (memory.size() - ring_offset) / unit)
    throw damaged("its ring is larger than the memory");
  return *it;
}

/// Until `until` at most. False: somebody has it for longer.
bool lock(platform::robust_mutex& which, std::int64_t until) {
  for (int k = 0; k < spins; ++k) {
    // An owner that died has left nothing to repair: each side is one word.
    if (which.try_lock()) return true;
    platform::cpu_relax();
  }
  return until > 0 && which.lock_until(until).has_value();
}

class unlocking {
 public:
  explicit unlocking(platform::robust_mutex& which) noexcept : which_(which) {}
  unlocking(const unlocking&) = delete;
  unlocking& operator=(const unlocking&) = delete;
  ~unlocking() { which_.unlock(); }

 private:
  platform::robust_mutex& which_;
};

}  // namespace

void queue_core::format(std::span<std::byte> memory, const queue_rules& rules) {
  auto* it = new (memory.data()) queue_memory;  // what is not named here is zero already
  it->ring_units = std::min(std::bit_floor((memory.size() - ring_offset) / unit), most_ring_units);
  it->max_units = rules.max_bytes == 0 ? it->ring_units : (rules.max_bytes + unit - 1) / unit;
  it->max_items = rules.max_items;
  it->joinable = rules.joinable ? 1 : 0;
  it->producers.lock.init();
  it->consumers.lock.init();
  it->magic = queue_memory::mark;
}

queue_core::queue_core(std::span<std::byte> memory)
    : at_(checked(memory)),
      ring_(memory.data() + ring_offset),
      ring_units_(at_.ring_units),
      max_units_(at_.max_units),
      max_items_(at_.max_items),
      joinable_(at_.joinable != 0),
      members_(at_) {
  mask_ = static_cast<std::uint32_t>(ring_units_ - 1);
  returns_pages_ = ring_units_ > kept_whole;
  turn_at_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(turn_after, ring_units_ / 2));
  // What waits to be given back lies in the ring still.
  largest_ = (returns_pages_ ? ring_units_ - batch_units - page_units : ring_units_) * unit - sizeof(std::uint64_t);
}

// ---- putting

queue_core::room queue_core::find_room(place t, place h, std::uint32_t given_back, std::uint64_t need) const noexcept {
  if (max_items_ != 0 && t.items - h.items >= max_items_) return {};
  if (t.items != h.items && std::uint64_t{t.at - h.at} + need > max_units_) return {};
  const std::uint64_t held = t.at - given_back, to_end = ring_units_ - (t.at & mask_);
  if (need > to_end) return {held + to_end + need <= ring_units_, static_cast<std::uint32_t>(to_end)};
  if (t.at == h.at && (t.at & mask_) >= turn_at_ && held + to_end + need <= ring_units_)
    return {true, static_cast<std::uint32_t>(to_end)};
  return {held + need <= ring_units_, 0};
}

queue_core::room queue_core::find_room(place t, std::uint64_t need) {
  // Far in the ring it is worth a look from time to time whether the queue is empty: then it may turn.
  const bool far = (t.at & mask_) >= turn_at_;
  if (t == left_tail_ && !(far && ((t.at ^ (t.at + need)) & ~std::uint64_t{look_after - 1}) != 0)) {
    const room seen = find_room(t, seen_head_, seen_given_back_, need);
    if (seen.there) return seen;
  }
  seen_given_back_ = at_.consumers.given_back.load();  // before the head, which it never passes
  seen_head_ = head();
  return find_room(t, seen_head_, seen_given_back_, need);
}

/// An item that fits neither behind the tail nor before it, in a queue that is empty: the tail goes to the ring's
/// begin. Under the producers' lock.
queue_core::gap_is queue_core::turn_round(place& t, std::int64_t lock_until) noexcept {
  const std::uint32_t to_end = static_cast<std::uint32_t>(ring_units_ - (t.at & mask_));
  if (to_end == ring_units_ || t.at != head().at) return gap_is::not_there;
  const std::uint64_t word = record::gap(to_end);
  std::memcpy(in_ring(t.at), &word, sizeof word);
  t.at += to_end;
  at_.producers.tail.store(t.word());
  return pass_gap(lock_until);
}

void queue_core::ask_for_memory(std::uint32_t at, std::uint64_t bytes) {
  const std::uint32_t begin = at & mask_, units = static_cast<std::uint32_t>(units_of(bytes));
  if (begin + std::uint64_t{units} <= kept_units || (begin ^ (begin + units - 1)) < batch_units) return;
  const std::uint64_t fresh = std::max<std::uint64_t>(bytes, std::uint64_t{batch_units} * unit);
  if (headroom_.take(fresh, platform::now())) return;
  throw resource_limit("centimane: the queue is not given memory for an item of " + std::to_string(bytes) +
                           " bytes: " + std::to_string(headroom_.left()) +
                           " are left before this process's memory limit. Bound the queue, or take more out of it",
                       fresh, headroom_.left());
}

queue_end queue_core::put(std::span<const part> parts, std::int64_t lock_until) {
  std::uint64_t bytes = 0;
  for (const part& one : parts) bytes += one.size();
  if (bytes > largest_) {
    throw payload_error("centimane: an item of " + std::to_string(bytes) +
                        " bytes does not fit into the queue, which takes up to " + std::to_string(largest_));
  }
  const std::uint64_t need = units_of(bytes);
  {
    members_.be_here();
    if (!lock(at_.producers.lock, lock_until)) return queue_end::busy;
    const unlocking in_the_end(at_.producers.lock);
    CENTIMANE_FAULT("share.queue.put.locked");
    if (closed()) return queue_end::closed;
    place t = place::from_word(at_.producers.tail.load(std::memory_order_relaxed));
    room there = find_room(t, need);
    if (!there.there) {
      if (full()) return queue_end::later;
      gap_is gap = pass_gap(lock_until);
      if (gap == gap_is::not_there) gap = turn_round(t, lock_until);
      if (gap == gap_is::out_of_reach) return queue_end::busy;
      if (gap == gap_is::passed) there = find_room(t, need);
      if (!there.there) return queue_end::later;
    }
    if (there.gap != 0) {
      const std::uint64_t word = record::gap(there.gap);
      std::memcpy(in_ring(t.at), &word, sizeof word);
      t.at += there.gap;
    }
    ask_for_memory(t.at, bytes);
    std::byte* to = in_ring(t.at);
    const std::uint64_t word = record::item(bytes);
    std::memcpy(to, &word, sizeof word);
    to += sizeof word;
    CENTIMANE_FAULT("share.queue.put.begun");
    for (const part& one : parts) {
      platform::copy_bytes(to, one);
      to += one.size();
    }
    t.at += static_cast<std::uint32_t>(need);
    ++t.items;
    CENTIMANE_FAULT("share.queue.put.copied");
    at_.producers.tail.store(t.word());
    CENTIMANE_FAULT("share.queue.put.committed");
    left_tail_ = t;
  }
  CENTIMANE_FAULT("share.queue.put.unlocked");
  at_.items.ring();
  return queue_end::done;
}

// ---- getting

/// Moves `h` over the gaps before the next item. Answers where the first begins, if there was one; else `h`.
std::uint32_t queue_core::over_gap(place& h, place t) {
  const std::uint32_t first = h.at;
  while (h.at != t.at) {
    std::uint64_t word = 0;
    std::memcpy(&word, in_ring(h.at), sizeof word);
    if ((word & record::gap_bit) == 0) break;
    word ^= record::gap_bit;
    if (word == 0 || word > t.at - h.at)
      throw payload_error("centimane: a queue's memory is damaged: a gap", "read_args");
    h.at += static_cast<std::uint32_t>(word);
  }
  return first;
}

queue_core::taking::taking(queue_core& from, std::int64_t lock_until, std::uint64_t most) : queue(from) {
  queue_memory& its = queue.at_;
  queue.members_.be_here();
  if (!lock(its.consumers.lock, lock_until)) return;
  try {
    CENTIMANE_FAULT("share.queue.get.locked");
    const place h = place::from_word(its.consumers.head.load(std::memory_order_relaxed));
    if (h != queue.left_head_ || queue.seen_tail_.items == h.items) queue.seen_tail_ = queue.tail();
    queue.left_head_ = h;
    const place t = queue.seen_tail_;
    if (t.items == h.items) {
      end = queue.closed() && queue.tail().items == h.items ? queue_end::closed : queue_end::later;
      return;
    }
    at = h;
    queue.over_gap(at, t);
    std::uint64_t bytes = 0;
    if (at.at != t.at) std::memcpy(&bytes, queue.in_ring(at.at), sizeof bytes);
    const std::uint64_t units = units_of(bytes);
    if (at.at == t.at || bytes > queue.ring_units_ * unit || units > t.at - at.at ||
        units > queue.ring_units_ - (at.at & queue.mask_)) {
      throw payload_error("centimane: a queue's memory is damaged: an item of " + std::to_string(bytes) + " bytes",
                          "read_args");
    }
    if (bytes > most) {
      end = queue_end::large;
      return;
    }
    item = {queue.in_ring(at.at) + sizeof(std::uint64_t), bytes};
    next = {at.at + static_cast<std::uint32_t>(units), at.items + 1};
    end = queue_end::done;
  } catch (...) {
    its.consumers.lock.unlock();
    throw;
  }
}

void queue_core::taking::commit() const {
  queue_memory& its = queue.at_;
  CENTIMANE_FAULT("share.queue.get.copied");
  if (queue.joinable_) queue.members_.take_task(next.items);
  CENTIMANE_FAULT("share.queue.get.noted");
  its.consumers.head.store(next.word());
  CENTIMANE_FAULT("share.queue.get.committed");
  if (at.at != queue.left_head_.at) {  // a gap: nothing in it has been touched
    queue.give_back(queue.left_head_.at, true);
    its.consumers.given_back.store(at.at);
  }
  queue.give_back(next.at, false);
  queue.left_head_ = next;
  taken = true;
}

queue_core::taking::~taking() {
  if (end == queue_end::busy) return;
  queue.at_.consumers.lock.unlock();
  if (!taken) return;
  CENTIMANE_FAULT("share.queue.get.unlocked");
  queue.at_.room.ring();
}

/// The ring up to there may be written to again, once enough has come together; or all of it. Under the consumers'
/// lock, after the head has passed it.
void queue_core::give_back(std::uint32_t upto, bool all) noexcept {
  std::atomic<std::uint32_t>& given = at_.consumers.given_back;
  if (!returns_pages_) return given.store(upto);
  const std::uint32_t from = given.load(std::memory_order_relaxed), units = upto - from;
  if (!all && (units & ~mask_) == 0 && units < batch_units) return;
  const std::uint32_t whole = units / page_units * page_units;
  drop_pages(from, whole);
  CENTIMANE_FAULT("share.queue.get.dropped");
  given.store(from + whole);
}

void queue_core::drop_pages(std::uint32_t from, std::uint32_t units) noexcept {
  while (units != 0) {
    const std::uint32_t begin = from & mask_;
    const std::uint32_t run = static_cast<std::uint32_t>(std::min<std::uint64_t>(units, ring_units_ - begin));
    const std::uint32_t kept = begin < kept_units ? std::min(run, kept_units - begin) : 0;
    if (run > kept) platform::drop_shared_pages(in_ring(from + kept), static_cast<std::size_t>(run - kept) * unit);
    from += run;
    units -= run;
  }
}

/// A queue that holds nothing but a gap before its next item, or at its end, is not as full as it looks: whoever wants
/// room moves the head over it.
queue_core::gap_is queue_core::pass_gap(std::int64_t lock_until) noexcept {
  try {
    if (!lock(at_.consumers.lock, lock_until)) return gap_is::out_of_reach;
    const unlocking in_the_end(at_.consumers.lock);
    place h = head();
    const std::uint32_t before = over_gap(h, tail());
    if (before == h.at) return gap_is::not_there;
    at_.consumers.head.store(h.word());
    give_back(before, true);
    at_.consumers.given_back.store(h.at);
    return gap_is::passed;
  } catch (const std::exception&) {
    return gap_is::not_there;  // damaged: a get() will say so
  }
}

// ---- waiting

bool queue_core::may_fit(std::uint64_t need) noexcept {
  const std::uint32_t given_back = at_.consumers.given_back.load();
  const place h = head(), t = tail();
  return t.items == h.items || find_room(t, h, given_back, need).there;
}

void queue_core::wait_for_items(std::int64_t until) noexcept {
  for (int k = 0; k < spins; ++k) {
    if (size() != 0) return;
    platform::cpu_relax();
  }
  const std::uint32_t seen = at_.items.announce();
  if (size() == 0 && !closed()) at_.items.sleep(seen, until);
}

void queue_core::wait_for_room(std::uint64_t bytes, std::int64_t until) noexcept {
  const std::uint64_t need = units_of(bytes);
  for (int k = 0; k < spins; ++k) {
    if (may_fit(need)) return;
    platform::cpu_relax();
  }
  const std::uint32_t seen = at_.room.announce();
  if (may_fit(need) || closed()) return;
  // Whoever has the lock may be passing the gap for himself, and rings nobody.
  if (full() || pass_gap(0) == gap_is::not_there) at_.room.sleep(seen, until);
}

void queue_core::pass_on_items() noexcept {
  if (size() != 0) at_.items.ring();
}

void queue_core::pass_on_room() noexcept {
  if (may_fit(1)) at_.room.ring();
}

std::uint32_t queue_core::size() const noexcept {
  // What is taken in between would be counted twice, or never.
  for (int k = 0;; ++k) {
    const place h = head(), t = tail();
    if (h == head() || k == 16) return t.items - h.items;
  }
}

void queue_core::close() noexcept {
  at_.closed.store(1);
  at_.items.ring_all();
  at_.room.ring_all();
}

}  // namespace centimane::share
