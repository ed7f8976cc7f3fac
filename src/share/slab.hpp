// Small shared things (locks, events, values) live side by side in one segment, a slab: a thousand locks cost one
// descriptor. Each has a cell: a run of 128-byte units of its own, so no two things share a cache line.
//
// A cell's units are used again only if nobody else can know them: its handle never left the process, and no fork
// happened since it was made. Else they stay as they are for as long as the slab has users. A slab goes with the last
// of its cells here.
//
// What stands in a cell is written by other processes: read each word once, check it, then use it.
//
// Thread safety: making, opening, handing out and letting go, by any thread. Cost: a few hundred nanoseconds, the first
// cell some 20 µs more.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "share/handle.hpp"
#include "share/segment.hpp"

namespace centimane::share {

/// What lies in a cell; part of its handle, so that one kind is never taken for another.
enum class cell_kind : std::uint32_t { bytes = 1, lock, semaphore, condition, event, barrier, value };

/// What travels in place of a cell.
struct cell_handle {
  handle memory;
  std::uint64_t offset = 0, size = 0;  ///< within the segment's bytes
  cell_kind kind{};
  std::uint32_t spare = 0;
};
static_assert(std::is_trivially_copyable_v<cell_handle>);

class slab;

class cell {
 public:
  static constexpr std::size_t unit = 128;

  /// Zeroed, at a multiple of 128. Throws resource_limit, std::system_error.
  static std::shared_ptr<cell> make(cell_kind kind, std::size_t size);
  /// Throws payload_error if the bytes are no handle of that kind, and what segment::open throws.
  static std::shared_ptr<cell> open(cell_kind kind, std::span<const std::byte> handle_bytes);

  /// For one message to another process. Throws owner_died (segment::hand_out).
  [[nodiscard]] cell_handle hand_out();
  [[nodiscard]] std::byte* data() const noexcept { return at_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Two handles of one thing in this process are the same thing.
  [[nodiscard]] bool same_as(const cell& other) const noexcept { return at_ == other.at_; }
  /// The thing in it. Throws payload_error if it is smaller than that.
  template <class T>
  [[nodiscard]] T& as() const {
    static_assert(alignof(T) <= unit && std::is_trivially_destructible_v<T>);
    expect_room_for(sizeof(T));
    return *reinterpret_cast<T*>(at_);
  }

  cell(const cell&) = delete;
  cell& operator=(const cell&) = delete;
  ~cell();

 private:
  friend class slab;
  struct pass {};  // make_shared needs a public constructor

 public:
  cell(pass, std::shared_ptr<segment> memory, std::uint64_t offset, std::size_t size, cell_kind kind,
       slab* from) noexcept;

 private:
  void expect_room_for(std::size_t wanted) const;

  std::shared_ptr<segment> memory_;
  std::byte* at_;
  std::uint64_t offset_;
  std::size_t size_;
  cell_kind kind_;
  slab* from_;                      ///< null: not to be used again
  std::uint64_t forks_;             ///< of this process, when it was made
  std::atomic<bool> known_{false};  ///< its handle has left the process
};

}  // namespace centimane::share
