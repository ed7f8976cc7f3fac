// What lies in a queue's memory: this header, then the ring. The ring holds records, each of a word and its bytes, in
// units of 16 bytes; none goes over the ring's end, a gap fills what is left there.
//
// Two words say what is in the queue: `tail`, written by who holds the producers' lock, and `head`, written by who
// holds the consumers'. Each has a place in the ring and a count of items, and changes by one store: an item is in the
// queue from one store on and out of it from another, and a process that dies before its store has done nothing.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/robust_mutex.hpp"
#include "share/eventcount.hpp"

namespace centimane::share {

/// Where an end of the queue is. Both count without end, modulo 2^32; a place in the ring is `at` modulo its size.
struct place {
  std::uint32_t at = 0;     ///< in units
  std::uint32_t items = 0;  ///< how many lie before it

  [[nodiscard]] constexpr std::uint64_t word() const noexcept { return std::uint64_t{items} << 32 | at; }
  static constexpr place from_word(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
  }
  friend constexpr bool operator==(const place&, const place&) noexcept = default;
};

/// The word before a record's bytes.
struct record {
  static constexpr std::uint64_t gap_bit = std::uint64_t{1} << 63;
  static constexpr std::uint64_t item(std::uint64_t bytes) noexcept { return bytes; }
  static constexpr std::uint64_t gap(std::uint64_t units) noexcept { return gap_bit | units; }
};

/// A process that has the queue, and of a joinable queue what it has taken and not done.
struct member {
  std::atomic<std::uint64_t> who;     ///< its identity's word; 0: free
  std::atomic<std::uint64_t> ledger;  ///< see `holding`
};

/// How many tasks a process holds. It is written before the take that it counts is committed, by one store, and says
/// which take that is: a process that dies in between holds one less.
struct holding {
  std::int32_t tasks = 0;
  std::uint32_t last = 0;  ///< the count of items behind the last that was taken

  [[nodiscard]] constexpr std::uint64_t word() const noexcept {
    return std::uint64_t{last} << 32 | static_cast<std::uint32_t>(tasks);
  }
  static constexpr holding from_word(std::uint64_t word) noexcept {
    return {static_cast<std::int32_t>(static_cast<std::uint32_t>(word)), static_cast<std::uint32_t>(word >> 32)};
  }
  /// As things stand when so many items have been taken.
  [[nodiscard]] constexpr std::int32_t real(std::uint32_t taken) const noexcept {
    return static_cast<std::int32_t>(taken - last) >= 0 ? tasks : tasks - 1;
  }
};

struct queue_memory {
  static constexpr std::uint64_t mark = 0x31'65'75'71'2e'6d'63ULL;  // "cm.que1"
  static constexpr std::size_t unit = 16;
  static constexpr std::size_t most_members = 512;

  // ---- written by its maker, before anybody else sees it
  std::uint64_t magic;
  std::uint64_t ring_units;  ///< a power of two
  std::uint64_t max_units;   ///< of what is in the queue; one item alone may be larger
  std::uint32_t max_items;   ///< 0: as many as there is room for
  std::uint32_t joinable;

  std::atomic<std::uint32_t> closed;
  std::atomic<std::uint32_t> joined;        ///< how many processes have become members so far
  std::atomic<std::uint32_t> crowded;       ///< a process found no free place among the members
  std::atomic<std::int64_t> handed_out_at;  ///< when a handle last went out

  struct alignas(64) producers_side {
    platform::robust_mutex lock;
    std::atomic<std::uint64_t> tail;
  } producers;
  struct alignas(64) consumers_side {
    platform::robust_mutex lock;
    std::atomic<std::uint64_t> head;
    std::atomic<std::uint32_t> given_back;  ///< up to here the ring may be written to again
  } consumers;
  alignas(64) eventcount items;
  alignas(64) eventcount room;
  alignas(64) std::atomic<std::uint32_t> done;  ///< of a joinable queue: tasks that will not be heard of any more
  eventcount all_done;
  alignas(64) std::array<member, most_members> members;
};
/// Where the ring begins.
inline constexpr std::size_t ring_offset = 12288;
static_assert(sizeof(queue_memory) <= ring_offset && sizeof(queue_memory::producers_side) == 64 &&
              sizeof(queue_memory::consumers_side) == 64);

}  // namespace centimane::share
