// A run on threads: the port whose hands call payload::invoke. Where hands come from is the face's business (the C++
// thread pool, or Python threads): it is asked for them and each calls work().
//
// Promises: a range is taken by one hand at a time, in chunks that grow until one takes about 100 us and that shrink
// towards the end of the work, so that no hand waits long for another; what was not begun is taken back exactly; the
// driver is woken at the end of the work, or at most each 200 us. A chunk that was begun is run to its end by its hand,
// whatever its items take. Where each item is on its own (each_alone), hands draw them one by one instead: no item
// waits behind another while a hand is free, no outcome for another's. An attempt with a limit is asked to end when it
// has passed it, and is reported as overtime when it has come back, whatever it brings: while it runs nobody else works
// on its item, and no other hand takes its place.
#pragma once
#include <functional>
#include <memory>

#include "run/port.hpp"

namespace centimane {
inline namespace v0 {
class thread_pool;
}
}  // namespace centimane

namespace centimane::engine {

class crew_core;

/// The right to work for a crew, from any thread, also after the crew is gone (work() returns at once then).
class hand {
 public:
  explicit hand(std::shared_ptr<crew_core> core) noexcept : core_(std::move(core)) {}
  void work() const;

 private:
  std::shared_ptr<crew_core> core_;
};

class crew final : public port {
 public:
  /// `hire(n)`: asks for n more hands; each must sooner or later call work() once, from its own thread. At most
  /// `workers` at a time. Called by start() on the driver's thread, and by hands on theirs. If it throws, none of the n
  /// comes; start() throws on only if there is no other hand. each_alone: hands draw item by item, for runs with
  /// policies on items.
  crew(payload& work, std::uint32_t workers, bool each_alone, std::function<void(std::uint32_t)> hire);
  /// Hands are workers of a thread pool. workers 0: as many as the pool has.
  crew(payload& work, std::uint32_t workers, bool each_alone, thread_pool& from);
  ~crew() override;  ///< recalls, waits for hands inside work()

  /// One hand's stay: runs tasks while there are any, then returns (it will be hired again).
  void work();
  /// The same for hands that may come after this crew is gone.
  [[nodiscard]] hand pass() const { return hand(core_); }

  /// At most n items a hand may have begun or wait for one; 0: any number. From the start 0, or if each_alone what
  /// hands will begin within some 400 us: of what takes longer, as many as are free.
  void depth(std::uint32_t n);

  /// For runs with a limiter: room is free hands only, and what is quick may wait for them besides (further), drawing
  /// tokens here. What finds none, nor has one coming within `patience`, comes back unsent, with all that waits so; and
  /// so does that when an error asks for a pause, of which the driver hears first. Only with each_alone, before the
  /// first start. It must outlive the hands.
  void draw_from(policy::tokens& limit, nanos patience);
  /// How long each attempt may run. Only with each_alone, before the first start.
  void limit(nanos n);

  /// For runs whose driver has nothing to watch: instead of sleeping it is one of the workers, which are one fewer
  /// then. Before the first start.
  void driver_works();

  index room() override;
  void start(index first, index n, std::uint32_t attempt) override;
  policy::further further() override;
  void start_drawing(index first, index n, std::uint32_t attempt) override;
  void recall(bool hard)
      override;  ///< running tasks cannot be ended; both kinds make this_task::stop_requested() true for them
  bool collect(events& to) override;
  /// On a worker of a thread pool (a nested run), helps instead of sleeping: takes a chunk of its own, else runs
  /// another task.
  void wait(nanos until) override;
  bool arm(const detail::alarm* to) override;
  /// When the next attempt passes its limit: then collect() asks the face where its thread is.
  nanos due() override;
  void watch() override;

 private:
  std::shared_ptr<crew_core> core_;  ///< shared with hands that come late
};

/// In order, on the driver's thread: workers=1, executor "sequential".
class solo final : public port {
 public:
  /// each_alone: one item at a time, so that the policy, and callbacks, have their say between two of them. Else up to
  /// 100 us of work are run in a row, but never past an item that fails.
  explicit solo(payload& work, bool each_alone = true);
  /// As crew::limit.
  void limit(nanos n);
  ~solo() override;
  index room() override;
  /// They run in the next calls of collect().
  void start(index first, index n, std::uint32_t attempt) override;
  void recall(bool hard) override;
  bool collect(events& to) override;
  void wait(nanos until) override;
  bool arm(const detail::alarm* to) override;  ///< never calls it: nothing happens beside the driver
  void watch() override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace centimane::engine
