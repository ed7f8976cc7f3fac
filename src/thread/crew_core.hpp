// What a crew and its hands share: the ranges that wait, what has ended, who is at work. One lock, taken once a chunk;
// the driver sleeps on an eventcount beside it.
//
// Thread safety: work() from any thread; the rest on the driver's thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "centimane/detail/future_state.hpp"
#include "run/port.hpp"

namespace centimane::engine {

class crew_core {
 public:
  crew_core(payload& work, std::uint32_t workers, bool each_alone, std::function<void(std::uint32_t)> hire);

  /// How long a hand stays: while there is work; for one chunk, after which another is hired in its place (it holds up
  /// the thread of somebody who waits); for one chunk (the driver itself, which comes back).
  enum class stay : std::uint8_t { all, handed_on, short_visit };
  void work(stay how);

  void depth(std::uint32_t n);
  /// The driver is one of the hands: it takes chunks instead of sleeping. Before the first start.
  void driver_works() { driver_works_ = true; }
  /// Each item is run and timed by itself. Before the first start.
  void watch() { watched_ = true; }
  /// Throws pool_forked in a fork's copy.
  index room();
  void start(index first, index n, std::uint32_t attempt);
  void recall(bool hard);
  bool collect(events& to);
  void wait(nanos until);
  bool arm(const detail::alarm* to);
  /// No hand touches the payload after it.
  void close();

 private:
  struct span {
    index first, count;
    std::uint32_t attempt;
  };
  struct ended {
    enum : std::uint8_t { values, invoked, unsent } what;
    int worker;
    std::uint32_t attempt;
    index first, count;
    verdict how;
    nanos from = 0, to = 0;  ///< of one item, if watched
  };
  /// How eagerly the driver wants to be woken: not at all; when a hand has nothing left to do; by whatever ends.
  enum class rest : std::uint8_t { awake, dozing, asleep };

  /// False in a copy that a fork made.
  [[nodiscard]] bool here() const noexcept;
  [[nodiscard]] span take();
  void run(span s, int me, std::vector<ended>& out);
  void run_timed(span s, int me, std::vector<ended>& out);
  void report(const std::vector<ended>& what);
  void note(const ended& what);
  [[nodiscard]] std::atomic<std::uint32_t>* signal_driver() noexcept;
  [[nodiscard]] std::uint32_t missing_hands() const noexcept;
  [[nodiscard]] bool to_collect() const noexcept { return news_.load(); }

  payload& work_;
  const std::uint32_t workers_;
  const bool each_alone_;
  const std::function<void(std::uint32_t)> hire_;
  const std::uint32_t born_;           ///< fork generation
  std::atomic<bool> stopping_{false};  ///< what this_task::stop_requested() sees
  std::atomic<bool> news_{false};      ///< ended_ is not empty

  std::mutex mutex_;
  std::deque<span> queue_;
  index queued_ = 0;                        ///< items in it
  std::vector<ended> ended_, handed_over_;  ///< the second: the driver's, its memory kept
  std::vector<int> places_;                 ///< free worker numbers, lowest last
  std::uint32_t inside_ = 0;                ///< hands in work()
  std::uint32_t coming_ = 0;                ///< hired, not there yet
  std::uint32_t busy_ = 0;                  ///< hands that run something
  std::uint32_t depth_;                     ///< items a hand that may wait; 0: any number
  index grain_ = 1;                         ///< items that take a hand about 100 us
  bool closed_ = false;
  bool driver_works_ = false, driver_inside_ = false;
  bool watched_ = false;
  rest rest_ = rest::awake;
  detail::sleeper driver_;
};

}  // namespace centimane::engine
