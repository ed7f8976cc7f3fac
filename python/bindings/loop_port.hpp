// Executor "async": attempts are tasks of the event loop that carries the run. Python makes and cancels them; this is
// where they stand for the driver, and where their outcomes wait for its next turn. On the loop's thread, with the GIL.
#pragma once
#include <unordered_map>
#include <vector>

#include "job.hpp"
#include "run/port.hpp"

namespace centimane::python {

class loop_port final : public engine::port {
 public:
  /// spawn(item, index, attempt): makes the attempt's task. cancel(): cancels all tasks that are under way.
  loop_port(job& work, index slots, nanos task_timeout, ref spawn, ref cancel)
      : work_(work), slots_(slots), limit_(task_timeout), spawn_(std::move(spawn)), cancel_(std::move(cancel)) {}

  /// How an attempt's task came to its end.
  enum class end : std::uint8_t { value, error, overtime, cancelled };
  /// what: the value, the error, or for overtime the stack as text. An attempt that is not under way is ignored.
  void ended(index item, end how, ref what);

  // ---- engine::port
  /// Places of attempts whose ends the driver has not heard of are not free yet: what follows from them comes first.
  index room() override { return slots_ - std::min<index>(slots_, under_way_.size() + ended_.size()); }
  void start(index first, index n, std::uint32_t attempt) override;
  void recall(bool hard) override;
  bool collect(engine::events& to) override;
  void wait(nanos) override {}
  /// Tasks end in the loop's own callbacks, which need no alarm.
  bool arm(const detail::alarm*) override { return ended_.empty(); }

 private:
  struct begun {
    std::uint32_t attempt;
    std::uint64_t tick;
    nanos from;
    int slot;  ///< what a worker is elsewhere: attempts at once have each its own
  };
  struct over {
    index item;
    std::uint32_t attempt;
    end how;
    nanos from, to;
    int slot;
    engine::verdict verdict;
    std::string stack;
  };
  job& work_;
  const index slots_;
  const nanos limit_;
  ref spawn_, cancel_;
  std::unordered_map<index, begun> under_way_;
  std::vector<int> free_;  ///< slots that were used and are free again
  int used_ = 0;           ///< slots that were ever used
  std::vector<over> ended_;
};

}  // namespace centimane::python
