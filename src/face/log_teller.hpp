// Log records of tasks that no run carries: those that are submitted one by one. Words come under a pool's lock, from
// whichever thread reads them; the user's handler may block, and may use the pool. So a thread stands between.
//
// Thread safety: all of it, but for the end. The thread starts with the first word.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "run/port.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class log_teller {
 public:
  log_teller() = default;
  log_teller(const log_teller&) = delete;
  log_teller& operator=(const log_teller&) = delete;
  ~log_teller();  ///< tells what is left first

  /// Never blocks; what is more than 16 MiB ahead of the handler is dropped and counted.
  void take(const engine::word& what) noexcept;
  /// Until all that was taken has been told. From within the handler: returns at once.
  void wait_until_told();

 private:
  struct kept {
    engine::word what;
    std::string text;
  };
  void work();

  std::mutex lock_;
  std::condition_variable news_, told_;
  std::deque<kept> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool telling_ = false, quit_ = false;
  std::thread thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
