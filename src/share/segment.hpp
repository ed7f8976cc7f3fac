// Memory that processes share, without a name: nothing is left to be unlinked, and the kernel counts who has it. It is
// freed when the last holder lets go or ends, however it ends.
//
// It goes to another process as a handle, which names the processes that have it open. So a handle is good as long as
// one of these lives and has the memory. Therefore a process keeps what it has handed out until it was taken: each
// handle can be opened once for sure, and as often as wanted while its sender keeps the memory itself. What was handed
// out and never taken (its message was lost) is kept for a minute after its last user here.
//
// What a worker hands out its driver keeps too, for as long: the worker may end as soon as its result is out.
//
// A fork keeps the mapping, and handles sent by the copy name the original too.
//
// Thread safety: all of it. What the bytes hold is their users' affair.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "platform/fd.hpp"
#include "platform/mapping.hpp"
#include "share/handle.hpp"

namespace centimane::share {

struct segment_options {
  /// The user's bytes begin at a page; else at a multiple of 64.
  bool page_aligned = false;
  /// More room than will be touched: how much memory is left is not asked, its user does (memory/headroom.hpp).
  bool sparse = false;
};

class segment {
 public:
  using options = segment_options;
  /// Zeroed. Throws resource_limit if there is not that much memory, std::system_error.
  static std::shared_ptr<segment> create(std::size_t size, options how = {});
  /// The memory that the handle names: the same object if this process has it already. Throws owner_died if none of the
  /// holders has it any more, payload_error if the handle or the memory is damaged, std::system_error.
  static std::shared_ptr<segment> open(const handle& which);

  /// For one message to another process. Throws owner_died if this process has no descriptor of it any more (user code
  /// closed it) and knows no other holder.
  [[nodiscard]] handle hand_out();

  /// Of what was handed out and is not needed here any more. Also done by the way, when memory is made or handed out.
  static void let_go_of_what_was_taken() noexcept;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// Tells memories of this machine apart, in every process alike.
  [[nodiscard]] const platform::file_identity& file() const noexcept { return file_; }
  /// Has a handle been handed out that nobody has opened? Also true of one whose message was lost.
  [[nodiscard]] bool under_way() const noexcept;
  /// The descriptor; -1 if it was closed behind our back. It stays the segment's.
  [[nodiscard]] int descriptor() const noexcept;

  segment(const segment&) = delete;
  segment& operator=(const segment&) = delete;
  ~segment();

 private:
  struct header;
  segment(platform::fd memory, platform::mapping map, const platform::file_identity& file, holder from);
  [[nodiscard]] header& head() const noexcept;
  static std::shared_ptr<segment> known(const handle& which);
  static std::shared_ptr<segment> map(platform::fd memory, const platform::file_identity& file, const holder& from);
  static std::shared_ptr<segment> from_holder(const holder& there, const platform::file_identity& file);
  static void adopt(platform::fd memory);
  static void keep_for_worker(platform::fd memory) noexcept;
  static void forget_lent() noexcept;
  static bool is_under_way(int file) noexcept;
  static const bool keeps_for_workers;
  friend struct segment_books;

  platform::fd memory_;
  platform::mapping map_;
  platform::file_identity file_;
  std::span<std::byte> bytes_;
  holder here_;  ///< the process that opened it, which a copy of that process is not
  holder from_;
};

/// Lets go of all that was handed out and not taken. For tests, and for what ends.
void forget_handed_out() noexcept;

}  // namespace centimane::share
