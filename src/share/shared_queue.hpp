// A queue core in a segment of its own: what both faces hold. One object a process and queue, which all who use that
// queue there share.
//
// The ring is large and sparse: it costs address space, and memory only for what is in the queue.
//
// Thread safety: all of it.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>

#include "share/queue_core.hpp"
#include "share/segment.hpp"

namespace centimane::share {

class shared_queue {
 public:
  /// `ring`: its size in bytes, a power of two; 0: as large as the system lets us map, up to 16 GiB. Throws
  /// std::system_error.
  static std::shared_ptr<shared_queue> create(const queue_rules& rules, std::size_t ring = 0);
  /// Throws what segment::open does.
  static std::shared_ptr<shared_queue> open(const handle& which);
  /// For one message to another process; see segment::hand_out.
  [[nodiscard]] handle hand_out();

  [[nodiscard]] queue_core& core() noexcept { return core_; }
  /// Is nobody left who could put something in, or (`taking` false) take something out? That is: another process has
  /// had the queue, and now no process but this one has it, nor is a handle under way; and this process has either not
  /// done that itself, or has no other thread that could. What the others did last is in the queue before this is true:
  /// so look once more then. Cheap as long as a member lives.
  [[nodiscard]] bool deserted(bool taking) const noexcept;
  /// This process has put something in, or taken something out.
  void note_put() noexcept { note(put_here_); }
  void note_got() noexcept { note(got_here_); }

  explicit shared_queue(std::shared_ptr<segment> memory);
  shared_queue(const shared_queue&) = delete;
  shared_queue& operator=(const shared_queue&) = delete;

 private:
  static void note(std::atomic<bool>& what) noexcept {
    if (!what.load(std::memory_order_relaxed)) what.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] queue_memory& memory() const noexcept;

  std::shared_ptr<segment> segment_;
  queue_core core_;
  std::atomic<bool> put_here_{false}, got_here_{false};
};

}  // namespace centimane::share
