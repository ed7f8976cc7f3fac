// Which processes have a queue, and which of a joinable queue's tasks they hold. So a getter learns that nobody is left
// who could put anything, and a joiner that a task will never be done because who took it has ended.
//
// A member is told by its process's identity; only is_alive() decides about its end. A copy made by fork becomes a
// member of its own at its first call.
//
// Thread safety: all of it.
#pragma once
#include <atomic>
#include <cstdint>

#include "share/queue_layout.hpp"

namespace centimane::share {

class queue_members {
 public:
  explicit queue_members(queue_memory& of) noexcept : at_(of) { enter(); }
  queue_members(const queue_members&) = delete;
  queue_members& operator=(const queue_members&) = delete;
  /// Leaves. What this process has taken and not done is lost.
  ~queue_members();

  /// At each call: one load, unless this process is a copy that has not entered yet.
  void be_here() noexcept;
  /// Has another process ever had it, and have all of them ended or left?
  [[nodiscard]] bool alone() const noexcept;
  /// Are there other members that live? Unlike !alone(), also before there ever was one.
  [[nodiscard]] bool others_live() const noexcept;

  // ---- tasks of a joinable queue
  /// Before the take is committed behind which there are `taken` items. Under the consumers' lock.
  void take_task(std::uint32_t taken) noexcept;
  /// False: there is none that is not done.
  [[nodiscard]] bool task_done() noexcept;
  [[nodiscard]] bool unfinished() const noexcept;
  /// Counts tasks as done that processes held which have ended. Answers how many; each is told once. Takes the
  /// consumers' lock, until `lock_until` at most.
  [[nodiscard]] std::uint32_t count_out_lost(std::int64_t lock_until);
  /// Until no task is unfinished, or `until`; may return early.
  void wait_for_done(std::int64_t until) noexcept;

 private:
  void enter() noexcept;
  bool claim(std::uint64_t me) noexcept;
  [[nodiscard]] member* mine() const noexcept { return mine_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t lost() const noexcept;

  queue_memory& at_;
  std::atomic<member*> mine_{nullptr};  ///< null: there was no place
  std::atomic<std::uint32_t> generation_{0};
};

}  // namespace centimane::share
