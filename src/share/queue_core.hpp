// A queue of runs of bytes between any number of processes, in memory that they share. What is promised:
//
// - put() returns when the item is in the queue; get() has it from one store on. Whoever dies, wherever, an item is
//   whole or absent, and only one that a get() had just taken goes with its process. Nothing is handed out twice.
// - Items leave in the order in which their put() ended.
// - Nobody waits for the dead: both locks survive their owner and protect one word each, and no sleep lasts longer than
//   its caller says. Nobody waits for a thread either: there is none.
// - size() is exact. No more than max_items are in the queue, ever.
//
// How: queue_layout.hpp. Each side has a lock, held while an item is copied in or out; so two producers, or two
// consumers, take turns, and a producer and a consumer do not meet. In exchange there is no half of an item that
// somebody would have to clean up behind the dead.
//
// What was taken gives its pages back to the system. While the queue is empty every now and then, it stays within the
// same few pages.
//
// Calls here never sleep for long: put() and get() answer `later`, the caller waits by wait_for_room() and
// wait_for_items(), slice by slice, and looks at signals, deadlines and deaths in between.
//
// Thread safety: all of it. Cost: some 100 ns a put or get of few bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "memory/headroom.hpp"
#include "share/queue_layout.hpp"
#include "share/queue_members.hpp"

namespace centimane::share {

struct queue_rules {
  std::uint32_t max_items = 0;  ///< 0: as many as the ring has room for
  std::uint64_t max_bytes = 0;  ///< of all items together, headers included; 0: the same
  bool joinable = false;
};

enum class queue_end : std::uint8_t {
  done,
  later,   ///< it is full, or empty
  busy,    ///< the lock could not be had in time: another process is copying much, or is stopped
  closed,  ///< for good
  large,   ///< the item is larger than what was asked for
};

class queue_core {
 public:
  using part = std::span<const std::byte>;
  /// How much memory a queue with a ring of so many bytes takes.
  static constexpr std::size_t memory_for(std::size_t ring) noexcept { return ring_offset + ring; }
  /// Makes one in zeroed memory. The ring is the largest power of two that fits.
  static void format(std::span<std::byte> memory, const queue_rules& rules);

  /// The queue in that memory, which must outlive this. Throws payload_error if there is none.
  explicit queue_core(std::span<std::byte> memory);
  queue_core(const queue_core&) = delete;
  queue_core& operator=(const queue_core&) = delete;

  /// The parts, one behind the other, are one item. `lock_until`: waits for other producers until then.
  /// Throws payload_error if the item is larger than any that fits, resource_limit if memory is short.
  queue_end put(std::span<const part> parts, std::int64_t lock_until);
  queue_end put(part item, std::int64_t lock_until) { return put(std::span(&item, 1), lock_until); }

  /// Calls take(part) with the next item, if that has no more bytes than `most`; what is thrown there leaves the item
  /// in the queue.
  template <class Take>
  queue_end get(Take&& take, std::int64_t lock_until, std::uint64_t most = UINT64_MAX) {
    const taking it(*this, lock_until, most);
    if (it.end == queue_end::done) {
      take(it.item);
      it.commit();
    }
    return it.end;
  }

  /// Until there is something to get, or it is closed, or `until`; may return early.
  void wait_for_items(std::int64_t until) noexcept;
  /// Until an item of so many bytes may fit, or it is closed, or `until`; may return early.
  void wait_for_room(std::uint64_t bytes, std::int64_t until) noexcept;
  /// After a wait that ended well: whoever sleeps beside us is woken if there is more.
  void pass_on_items() noexcept;
  void pass_on_room() noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept;
  [[nodiscard]] bool full() const noexcept { return max_items_ != 0 && size() >= max_items_; }
  [[nodiscard]] std::uint32_t max_items() const noexcept { return max_items_; }
  [[nodiscard]] bool joinable() const noexcept { return joinable_; }
  /// The largest item that fits.
  [[nodiscard]] std::uint64_t largest() const noexcept { return largest_; }

  /// For everybody: no put() from now on, and no get() once it is empty.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return at_.closed.load(std::memory_order_seq_cst) != 0; }

  /// Who has it, and what they have taken and not done.
  [[nodiscard]] queue_members& members() noexcept { return members_; }
  [[nodiscard]] const queue_members& members() const noexcept { return members_; }

 private:
  /// A get() from the lock on.
  struct taking {
    taking(queue_core& from, std::int64_t lock_until, std::uint64_t most);
    taking(const taking&) = delete;
    taking& operator=(const taking&) = delete;
    ~taking();
    void commit() const;
    queue_core& queue;
    queue_end end = queue_end::busy;
    part item;
    place at;    ///< of the record
    place next;  ///< behind it
    mutable bool taken = false;
  };
  struct room {
    bool there = false;
    std::uint32_t gap = 0;
  };

  [[nodiscard]] std::byte* in_ring(std::uint32_t at) const noexcept {
    return ring_ + static_cast<std::size_t>(at & mask_) * queue_memory::unit;
  }
  [[nodiscard]] place tail() const noexcept { return place::from_word(at_.producers.tail.load()); }
  [[nodiscard]] place head() const noexcept { return place::from_word(at_.consumers.head.load()); }
  [[nodiscard]] room find_room(place tail, place head, std::uint32_t given_back, std::uint64_t need) const noexcept;
  [[nodiscard]] room find_room(place tail, std::uint64_t need);
  enum class gap_is : std::uint8_t { not_there, passed, out_of_reach };
  [[nodiscard]] gap_is turn_round(place& tail, std::int64_t lock_until) noexcept;
  [[nodiscard]] bool may_fit(std::uint64_t need) noexcept;
  gap_is pass_gap(std::int64_t lock_until) noexcept;
  std::uint32_t over_gap(place& head, place tail);
  void give_back(std::uint32_t upto, bool all) noexcept;
  void drop_pages(std::uint32_t from, std::uint32_t units) noexcept;
  void ask_for_memory(std::uint32_t at, std::uint64_t bytes);

  queue_memory& at_;
  std::byte* ring_;
  std::uint32_t mask_ = 0;
  std::uint64_t ring_units_ = 0, max_units_ = 0, largest_ = 0;
  std::uint32_t max_items_ = 0, turn_at_ = 0;
  bool joinable_ = false, returns_pages_ = false;
  // Under the producers' lock: what was seen of the other side, good as long as the tail is where we left it.
  place left_tail_, seen_head_;
  std::uint32_t seen_given_back_ = 0;
  memory::headroom headroom_;
  // Under the consumers' lock: the same of the tail.
  place left_head_, seen_tail_;
  queue_members members_;
};

}  // namespace centimane::share
