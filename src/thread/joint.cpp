// Edges between states.
#include "centimane/detail/joint.hpp"

#include <thread>

#include "platform/cpu_relax.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

// Held for a few instructions.
std::uintptr_t shared_hold::enter() noexcept {
  std::uintptr_t word = word_.load(std::memory_order_relaxed);
  for (int tries = 0;; ++tries) {
    if ((word & busy) == 0 && word_.compare_exchange_weak(word, word | busy, std::memory_order_acquire)) return word;
    if (tries < 64) {
      platform::cpu_relax();
    } else {
      std::this_thread::yield();
    }
    word = word_.load(std::memory_order_relaxed);
  }
}

void shared_hold::put(future_state& state) noexcept {
  static_assert(alignof(future_state) > busy);
  state.hold();
  enter();
  word_.store(reinterpret_cast<std::uintptr_t>(&state), std::memory_order_release);
}

state_ref<future_state> shared_hold::borrow() noexcept {
  const std::uintptr_t word = enter();
  auto* const state = reinterpret_cast<future_state*>(word);
  if (state != nullptr) state->hold();
  word_.store(word, std::memory_order_release);
  return state_ref<future_state>(state);
}

state_ref<future_state> shared_hold::take() noexcept {
  auto* const state = reinterpret_cast<future_state*>(enter());
  word_.store(0, std::memory_order_release);
  return state_ref<future_state>(state);
}

void edge::lead(future_state& from, junction& to) noexcept {
  to_ = &to;
  call = [](watch* w) noexcept {
    edge& me = *static_cast<edge*>(w);
    me.to_->arrived(me);
  };
  from_.put(from);
  // Nobody will be there to fetch its result, this thread neither.
  attendant* const mine = set_helper(nullptr);
  if (attendant* const by = from.attended_by()) by->go_alone();
  set_helper(mine);
}

void inputs_of(std::span<edge> edges, std::vector<state_ref<future_state>>& out) {
  for (edge& e : edges) {
    state_ref<future_state> from = e.borrow();
    if (from && !from->ready()) out.push_back(std::move(from));
  }
}

void cancel_inputs_of(std::span<edge> edges) noexcept {
  for (edge& e : edges) {
    if (const state_ref<future_state> from = e.borrow()) from->cancel();
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
