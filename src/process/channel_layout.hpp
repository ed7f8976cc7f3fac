// What lies where in a channel's two segments, for both ends. Every word has one writer, but `claim` and `park`, which
// both ends change by read-modify-write. Cache lines are divided by who writes them and how often.
//
//   task segment (driver writes, worker reads):  task_words | descriptor[slots] | task bytes
//   result segment (both write):                 result_words | result bytes
//
// A task record is task_header + body, a result record result_header + body, both padded to 8 bytes; no record wraps
// around its ring.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace centimane::engine {

/// A task's number on its channel; compared modulo 2^32.
using ordinal = std::uint32_t;

/// What the driver writes in front of each task's bytes.
struct task_header {
  std::uint32_t length;      ///< of the body that follows
  std::uint32_t control;     ///< control messages the worker must have read before it begins (see control.hpp)
  std::uint64_t definition;  ///< which function
  std::uint32_t attempt;
  std::uint32_t
      kind;  ///< 0: the body is the task; 1: the body is a u64 token of a block that comes by the control socket
};

/// What the worker writes in front of each result's bytes. `number` and `length` are filled in by
/// channel_worker::publish.
struct result_header {
  ordinal number;  ///< which task
  std::uint32_t length;
  std::uint8_t kind;  ///< 0: the body is the result; 1: a u64 token of a block sent over the control socket
  std::uint8_t ok;    ///< value or error
  std::uint8_t retryable;
  std::uint8_t unused;
  std::uint32_t unused2;
  std::int64_t server_wait;
};

enum class phase : std::uint8_t { none = 0, open = 1, run = 2, write = 3 };

/// Sizes of a channel. Tests use tiny ones, to meet each border often.
struct channel_shape {
  std::uint32_t slots = 256;              ///< bundles in flight, at least 2
  std::uint32_t tasks = 4096;             ///< tasks in flight; a power of two
  std::uint32_t task_bytes = 256 * 1024;  ///< both rings: multiples of 64, below 128 MiB
  std::uint32_t result_bytes = 256 * 1024;
  ordinal first = 0;  ///< the first number
};

namespace layout {

static_assert(sizeof(task_header) == 24 && sizeof(result_header) == 24);

/// One bundle of tasks [first, end), its records one behind the other from `offset` of the task bytes.
struct descriptor {
  std::atomic<std::uint32_t> first, end, offset, unused;
};

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
inline constexpr std::uint32_t wrap_mark = UINT32_MAX;  ///< as a result's length: the next record is at offset 0
inline constexpr std::uint32_t early = 4096;            ///< a ring with little in it starts over behind that offset

constexpr std::uint64_t pair(std::uint32_t high, std::uint32_t low) noexcept { return std::uint64_t{high} << 32 | low; }
constexpr std::uint32_t high(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
constexpr std::uint32_t low(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
/// a comes before b, modulo 2^32.
constexpr bool before(ordinal a, ordinal b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }
constexpr std::uint32_t padded(std::size_t n) noexcept { return static_cast<std::uint32_t>((n + 7) & ~std::size_t{7}); }
constexpr std::uint32_t record_size(std::size_t body) noexcept { return padded(24 + body); }

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

}  // namespace layout

/// Where an end finds its segments.
struct channel_memory {
  std::byte* task = nullptr;
  std::byte* result = nullptr;
};

}  // namespace centimane::engine
