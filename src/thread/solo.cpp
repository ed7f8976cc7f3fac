// In order, on the driver's thread: one item at a time, so that the policy has its say between two of them.
#include <optional>

#include "centimane/detail/sleeper.hpp"
#include "thread/crew.hpp"
#include "thread/thread_place.hpp"

namespace centimane::engine {

struct solo::state {
  payload& work;
  struct task {
    index item;
    std::uint32_t attempt;
  };
  std::optional<task> next{};
  bool taken_back = false;  ///< `next` was recalled before it ran
  std::atomic<bool> stopping{false};
  detail::sleeper bed{};
};

solo::solo(payload& work) : state_(new state{work}) {}
solo::~solo() = default;

index solo::room() { return state_->next ? 0 : 1; }

void solo::start(index first, index, std::uint32_t attempt) {
  state_->stopping.store(false, std::memory_order_relaxed);
  state_->next = {first, attempt};
}

void solo::recall(bool) {
  state_->stopping.store(true, std::memory_order_relaxed);
  state_->taken_back = state_->next.has_value();
}

bool solo::collect(events& to) {
  if (!state_->next) return false;
  const auto task = *state_->next;
  if (state_->taken_back) {
    trouble unsent;
    unsent.how = policy::outcome::unsent;
    unsent.where = stage::sent;
    state_->taken_back = false;
    state_->next.reset();
    to.lost(task.item, task.attempt, unsent);
    return true;
  }
  auto& stop = detail::here().stop;
  const auto* const outer = std::exchange(stop, &state_->stopping);
  const verdict v = state_->work.invoke(task.item, task.attempt, 0);
  stop = outer;
  state_->next.reset();
  if (v.ok && task.attempt == 1) {
    to.values(task.item, 1, 0);
  } else {
    to.invoked(task.item, task.attempt, 0, v);
  }
  return true;
}

void solo::wait(nanos until) {
  if (state_->next) return;
  state_->bed.sleep(state_->bed.announce(), until);
}

}  // namespace centimane::engine
