// One bell a pool: a non-blocking pipe that workers ring when the driver sleeps, and one page that says whether it
// does. Workers map the page read-only, hold only the pipe's write end, and ring at most once an epoch.
//
// Thread safety: ring() and the descriptors from any thread; announce, sleep and awake by one thread at a time.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "platform/fd.hpp"
#include "platform/mapping.hpp"

namespace centimane::engine {

/// The page: 0 while the driver is awake, else the number of its sleep.
struct bell_page {
  std::atomic<std::uint32_t> sleeping;
};

class bell {
 public:
  bell();  ///< throws std::system_error
  ~bell() = default;
  bell(const bell&) = delete;
  bell& operator=(const bell&) = delete;

  /// Announces sleep (sequentially consistent). Look at the channels again after it, before sleeping.
  void announce();
  void awake();  ///< nobody sleeps any more; empties the pipe
  void ring();   ///< from our own process
  /// Sleeps until rung or until `until` (monotonic ns, policy::never = for ever); also returns on a signal (EINTR). If
  /// the thread has a platform::signal_hold, the signals it holds back are let in for exactly this sleep. True if rung.
  bool sleep(std::int64_t until);
  [[nodiscard]] int listen_fd() const noexcept { return read_.get(); }  ///< for a supervisor's epoll
  [[nodiscard]] int ring_fd() const noexcept { return write_.get(); }   ///< goes to workers
  [[nodiscard]] int page_fd() const noexcept { return page_.get(); }  ///< goes to workers, sealed against their writing
  [[nodiscard]] const bell_page& page() const noexcept { return *at(); }

 private:
  [[nodiscard]] bell_page* at() const noexcept { return reinterpret_cast<bell_page*>(mapped_.data()); }
  platform::fd read_, write_, page_;
  platform::mapping mapped_;
  std::uint32_t epoch_ = 0;
};

/// A worker's end: rings if the driver sleeps, once a sleep. One thread.
class bell_rope {
 public:
  /// Maps the page; `ring` must stay open, and is used only while it is still the pipe it was (a task may have closed
  /// it).
  bell_rope(int page, int ring);
  /// Over a page that is already mapped.
  bell_rope(const bell_page& page, int ring);

  /// Rings if somebody sleeps who was not rung yet. Without a sleeper: one load.
  void ring_if_asleep() noexcept {
    const std::uint32_t epoch = page_->sleeping.load(std::memory_order_seq_cst);
    if (epoch != 0 && epoch != rung_) ring(epoch);
  }

 private:
  void ring(std::uint32_t epoch) noexcept;
  void remember();
  platform::mapping mapped_;
  const bell_page* page_ = nullptr;
  int ring_ = -1;
  std::uint32_t rung_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace centimane::engine
