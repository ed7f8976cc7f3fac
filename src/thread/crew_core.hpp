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
#include <string>
#include <vector>

#include "centimane/detail/future_state.hpp"
#include "policy/limiter.hpp"
#include "run/port.hpp"
#include "thread/attempt_clock.hpp"

namespace centimane::engine {

class crew_core {
 public:
  /// A chunk should take a hand that long: a thousand times what a lock costs, and short for the eye of a progress bar.
  static constexpr nanos chunk_time = 100'000;

  crew_core(payload& work, std::uint32_t workers, bool each_alone, std::function<void(std::uint32_t)> hire);

  /// How long a hand stays: while there is work; for one chunk, after which another is hired in its place (it holds up
  /// the thread of somebody who waits); for one chunk (the driver itself, which comes back).
  enum class stay : std::uint8_t { all, handed_on, short_visit };
  void work(stay how);

  void depth(std::uint32_t n);
  /// See crew. Before the first start.
  void draw_from(policy::tokens& limit, nanos patience) {
    limit_ = &limit;
    patience_ = patience;
  }
  /// See crew. Before the first start.
  void limit(nanos n);
  /// The driver is one of the hands: it takes chunks instead of sleeping. Before the first start.
  void driver_works() { driver_works_ = true; }
  /// Each item is run and timed by itself. Before the first start.
  void watch() { watched_ = true; }
  /// Throws pool_forked in a fork's copy.
  index room();
  policy::further further();
  /// draws: each draws a token as it begins.
  void start(index first, index n, std::uint32_t attempt, bool draws);
  void recall(bool hard);
  bool collect(events& to);
  void wait(nanos until);
  bool arm(const detail::alarm* to);
  /// When the next attempt passes its limit, of those that were not looked at since.
  nanos due();
  /// No hand touches the payload after it.
  void close();

 private:
  struct span {
    index first, count;
    std::uint32_t attempt;
    bool draws;  ///< a token, as it begins
  };
  struct ended {
    enum : std::uint8_t { values, invoked, unsent, overtime } what;  ///< overtime: see overruns_
    int worker;
    std::uint32_t attempt;
    index first, count;
    verdict how;
    nanos from = 0, to = 0;  ///< of one item, if watched
  };
  /// A hand's turn at drawing item by item: see crew_drawing.cpp. briefly: it ends after a chunk's time.
  class drawing final : public supply {
   public:
    drawing(crew_core& crew, int me, bool briefly, detail::attempt_clock& clock);
    bool draw(const verdict* ended, index& item, std::uint32_t& attempt) override;

   private:
    void note(const verdict& how, nanos now);
    nanos next(nanos now, nanos patient_until);

    crew_core& crew_;
    const int me_;
    const bool briefly_;
    detail::attempt_clock& clock_;
    span mine_{};                 ///< what runs
    nanos began_ = 0, from_ = 0;  ///< the turn; what runs
    index count_ = 0;             ///< ended in this turn
  };
  /// An attempt with a limit, as the driver sees it.
  struct under_way {
    nanos due = policy::never;
    std::uint64_t number = 0;  ///< tells attempts apart
    bool looked_at = false;
    std::string stack;  ///< where it was when it had passed its limit
  };
  /// One that has come back too late.
  struct overrun {
    nanos took;
    std::string stack;
  };
  /// How eagerly the driver wants to be woken: not at all; when a hand has nothing left to do; by whatever ends.
  enum class rest : std::uint8_t { awake, dozing, asleep };

  /// False in a copy that a fork made.
  [[nodiscard]] bool here() const noexcept;
  [[nodiscard]] span take();
  void run(span s, int me, std::vector<ended>& out);
  void run_timed(span s, int me, std::vector<ended>& out);
  void begin_clock(int me, detail::attempt_clock& clock, nanos now);
  [[nodiscard]] bool end_clock(int me, detail::attempt_clock& clock, nanos now);
  void look_at_late_ones();
  void note(const ended& what);
  /// There is something to collect.
  void tell() noexcept {
    if (!news_.load(std::memory_order_relaxed)) news_.store(true);
  }
  /// What has not begun is to be collected as unsent.
  void give_back();
  void give_back_drawing();
  void fit_grain(index ran, nanos took) noexcept;
  [[nodiscard]] index most() const noexcept;
  [[nodiscard]] index quick() const noexcept;
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
  policy::tokens* limit_ = nullptr;
  nanos patience_ = 0;  ///< how long a hand waits in its place for a token

  std::mutex mutex_;
  std::deque<span> queue_;
  index queued_ = 0;                        ///< items in it
  index drawing_ = 0;                       ///< of these, how many draw tokens
  std::vector<ended> ended_, handed_over_;  ///< the second: the driver's, its memory kept
  std::vector<int> places_;                 ///< free worker numbers, lowest last
  std::uint32_t inside_ = 0;                ///< hands in work()
  std::uint32_t coming_ = 0;                ///< hired, not there yet
  std::uint32_t busy_ = 0;                  ///< hands that run something
  std::uint32_t depth_ = 0;                 ///< items a hand that may wait; 0: any number
  bool own_depth_;                          ///< instead: what hands will soon begin
  index grain_ = 1;                         ///< items that take a hand about 100 us
  nanos task_limit_ = policy::never;        ///< of each attempt
  std::vector<under_way> under_way_;        ///< by worker, if there is a limit
  std::deque<overrun> overruns_;            ///< one for each `overtime` of ended_, in its order
  bool closed_ = false;
  bool held_ = false;  ///< an error asks for a pause that the driver has not heard of
  bool driver_works_ = false, driver_inside_ = false;
  bool watched_ = false;
  rest rest_ = rest::awake;
  detail::sleeper driver_;
};

}  // namespace centimane::engine
