// What lies where in a channel's two segments, for both ends. Every word has one writer, but `claim` and `park`, which
// both ends change by read-modify-write. Cache lines are divided by who writes them and how often.
//
//   task segment (driver writes, worker reads):  task_words | descriptor[slots] | task bytes
//   result segment (both write):                 result_words | result bytes
//
// A task record is a word of 4 bytes and a body, padded to 8; what the tasks of a bundle have in common stands once in
// its descriptor, so that a bundle is copied into the ring in one piece. A result record is a word of 8 bytes and a
// body, padded to 8. No record wraps around its ring.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "centimane/detail/payload.hpp"

namespace centimane::engine {

/// A task's number on its channel; compared modulo 2^32.
using ordinal = std::uint32_t;

inline constexpr std::uint64_t no_item = UINT64_MAX;
/// What a run wants of its tasks beside outcomes (task_header::watched).
inline constexpr std::uint32_t wants_times = 1, wants_words = 2;

/// What a worker is told of a task beside its bytes. `length` and `kind` stand in the record, the rest in the bundle.
struct task_header {
  std::uint32_t length;      ///< of the body; filled in by the channel
  std::uint32_t control;     ///< control messages the worker must have read before it begins (see control.hpp)
  std::uint64_t definition;  ///< which function
  std::uint32_t attempt;
  std::uint32_t kind;            ///< 0: the body is the task; 1: it begins with a table of blocks (freight.hpp)
  std::uint32_t watched = 0;     ///< wants_times, wants_words
  std::uint64_t item = no_item;  ///< its index in its run; those of a bundle are consecutive
};

/// Encoded tasks in a row, as they lie in a ring: record k at bytes + [k == 0 ? base : ends[k - 1], ends[k]).
struct task_run {
  const std::byte* bytes = nullptr;
  std::uint32_t base = 0;
  std::span<const std::uint32_t> ends;
};

/// What a worker tells of a result beside its bytes.
struct result_header {
  std::uint8_t kind;  ///< 0: the body is the result; 1: it begins with a table of blocks (freight.hpp)
  std::uint8_t ok;    ///< value or error
  std::uint8_t retryable;
  std::int64_t server_wait;  ///< costs bytes only if it is not 0
  std::uint8_t timed = 0;    ///< the body begins with the phase_times of its task
};

enum class phase : std::uint8_t { none = 0, open = 1, run = 2, write = 3 };

/// Sizes of a channel. Tests use tiny ones, to meet each border often.
struct channel_shape {
  std::uint32_t slots = 512;              ///< bundles in flight, at least 2
  std::uint32_t tasks = 4096;             ///< tasks in flight; a power of two
  std::uint32_t task_bytes = 256 * 1024;  ///< both rings: multiples of 64, below 128 MiB
  std::uint32_t result_bytes = 256 * 1024;
  ordinal first = 0;  ///< the first number
};

namespace layout {

/// One bundle of tasks [first, end), its records one behind the other from `offset` of the task bytes.
struct descriptor {
  std::atomic<std::uint32_t> first, end, offset, control;
  std::atomic<std::uint64_t> definition, item;
  std::atomic<std::uint32_t> attempt, watched;
};
static_assert(sizeof(descriptor) == 40);

struct task_words {
  // Written once, before the worker is there.
  std::uint32_t slots, tasks, task_bytes, result_bytes;
  // What a worker looks at once per result, and the driver seldom writes.
  alignas(64) std::atomic<std::uint32_t> wake_at;  ///< ring the bell from this task's result on
  std::atomic<std::uint32_t> closing;
  std::atomic<std::uint32_t> timed;
  std::atomic<std::uint64_t> soft_stop;  ///< 0, or stop_bit | number of the task that is asked to stop
  // How far the driver has read the results: a position.
  alignas(64) std::atomic<std::uint64_t> result_head;
};

struct result_words {
  std::atomic<std::uint64_t> claim;                    ///< limit << 32 | next: tasks [next, limit) may begin
  alignas(64) std::atomic<std::uint64_t> stage;        ///< number << 32 | phase
  std::atomic<std::int64_t> since;                     ///< when the task of `stage` was opened, if timed
  alignas(64) std::atomic<std::uint64_t> result_tail;  ///< how far results are published: a position
  alignas(64) std::atomic<std::uint32_t> park;         ///< the driver adds 1 to wake the worker
  std::atomic<std::uint32_t> parked;                   ///< 0, 1: waits for a task, 2: waits for room for a result
  alignas(64) std::atomic<std::uint32_t> wants_recycle;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

inline constexpr std::uint64_t stop_bit = std::uint64_t{1} << 32;
inline constexpr std::uint32_t block_bit = std::uint32_t{1} << 31;  ///< of a task's word, beside its length
inline constexpr std::uint32_t wrap_mark = UINT32_MAX;  ///< as a result's high word: the next record is at offset 0
inline constexpr std::uint32_t early = 4096;            ///< a ring with little in it starts over behind that offset

constexpr std::uint64_t pair(std::uint32_t high, std::uint32_t low) noexcept { return std::uint64_t{high} << 32 | low; }
constexpr std::uint32_t high(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
constexpr std::uint32_t low(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
/// a comes before b, modulo 2^32.
constexpr bool before(ordinal a, ordinal b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }
constexpr std::uint32_t task_record(std::size_t body) noexcept {
  return static_cast<std::uint32_t>((sizeof(std::uint32_t) + body + 7) & ~std::size_t{7});
}
constexpr std::uint32_t result_record(std::size_t body) noexcept {
  return static_cast<std::uint32_t>((sizeof(std::uint64_t) + body + 7) & ~std::size_t{7});
}

/// A result's word: which task, how it ended, how long the body is.
enum result_flag : std::uint32_t {
  flag_timed = 1U << 27,
  flag_ok = 1U << 28,
  flag_retryable = 2U << 28,
  flag_block = 4U << 28,
  flag_wait = 8U << 28
};
inline constexpr std::uint32_t length_mask = flag_timed - 1;
constexpr std::uint32_t flags_of(const result_header& h) noexcept {
  return (h.ok != 0 ? flag_ok : 0U) | (h.retryable != 0 ? flag_retryable : 0U) | (h.kind != 0 ? flag_block : 0U) |
         (h.server_wait != 0 ? flag_wait : 0U) | (h.timed != 0 ? flag_timed : 0U);
}
constexpr result_header header_of(std::uint32_t word) noexcept {
  return {static_cast<std::uint8_t>((word & flag_block) != 0), static_cast<std::uint8_t>((word & flag_ok) != 0),
          static_cast<std::uint8_t>((word & flag_retryable) != 0), 0,
          static_cast<std::uint8_t>((word & flag_timed) != 0)};
}

/// A place in the result stream in one word, so that one store moves number and place together. `lap` counts the times
/// the writer started over at offset 0; offsets are multiples of 8.
struct position {
  ordinal number = 0;  ///< of the next result
  std::uint32_t offset = 0;
  std::uint8_t lap = 0;
};
constexpr std::uint64_t pack(position p) noexcept { return pair(p.number, std::uint32_t{p.lap} << 24 | p.offset >> 3); }
constexpr position unpack(std::uint64_t word) noexcept {
  return {high(word), (low(word) & 0xffffff) << 3, static_cast<std::uint8_t>(low(word) >> 24)};
}

constexpr std::size_t descriptors_at() noexcept { return (sizeof(task_words) + 63) / 64 * 64; }
constexpr std::size_t task_bytes_at(const channel_shape& s) noexcept {
  return (descriptors_at() + s.slots * sizeof(descriptor) + 63) / 64 * 64;
}
constexpr std::size_t result_bytes_at() noexcept { return (sizeof(result_words) + 63) / 64 * 64; }
constexpr std::size_t task_segment(const channel_shape& s) noexcept { return task_bytes_at(s) + s.task_bytes; }
constexpr std::size_t result_segment(const channel_shape& s) noexcept { return result_bytes_at() + s.result_bytes; }

/// The largest body that goes through a ring of usual size.
inline constexpr std::size_t usual_largest = 64 * 1024;
/// The largest body that fits an empty ring wherever it begins.
constexpr std::size_t largest_in(std::size_t ring) noexcept { return ring / 2 - 48; }
/// The same for a result, which may have its times in front of it.
constexpr std::size_t largest_result_in(std::size_t ring) noexcept { return largest_in(ring) - sizeof(phase_times); }

}  // namespace layout

/// Where an end finds its segments.
struct channel_memory {
  std::byte* task = nullptr;
  std::byte* result = nullptr;
};

}  // namespace centimane::engine
