// Waiting for results: the word of a state, its list of watches, and who waits how.
#include "centimane/detail/future_state.hpp"

#include <span>
#include <stdexcept>
#include <thread>

#include "centimane/errors.hpp"
#include "centimane/future.hpp"
#include "platform/clock.hpp"
#include "platform/cpu_relax.hpp"
#include "thread/deep_wait.hpp"
#include "thread/thread_place.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

thread_place& here() noexcept {
  static thread_local thread_place place;
  return place;
}

attendant* helper() noexcept { return here().helper; }
attendant* set_helper(attendant* a) noexcept { return std::exchange(here().helper, a); }
std::int64_t now_ns() noexcept { return platform::now(); }

std::int64_t deadline_in(time_span span) noexcept {
  const std::int64_t now = now_ns(), length = span.get().count();
  return length >= INT64_MAX - now ? INT64_MAX : now + length;
}

void throw_no_state() {
  throw std::logic_error(
      "centimane: this future has no result to come: it was default-constructed, moved from, or its "
      "result was taken by get()");
}

void call_all(watch* first) noexcept {
  thread_place& place = here();
  while (first != nullptr) {
    watch* const next = first->next;
    first->next = std::exchange(place.to_call, first);
    first = next;
  }
  if (std::exchange(place.calling, true)) return;
  while (watch* const w = place.to_call) {
    place.to_call = w->next;
    w->call(w);  // w may be no more after this
  }
  place.calling = false;
}

no_calls_put_off::no_calls_put_off() noexcept : within_(std::exchange(here().calling, false)) {
  if (within_) call_all(nullptr);
}
no_calls_put_off::~no_calls_put_off() { here().calling = within_; }

bool wait_until(sleeper& me, condition done, std::int64_t until, attendant* by) {
  const no_calls_put_off while_waiting;
  if (by == nullptr) by = helper();
  while (!done()) {
    if (by != nullptr) {
      by->attend(me, done, until);
      if (done()) return true;
      if (until != INT64_MAX && now_ns() >= until) return false;
      continue;
    }
    const std::uint32_t ticket = me.announce();
    if (done()) {
      me.awake();
      break;
    }
    if (me.sleep(ticket, until) == woken::late) return done();
  }
  return true;
}

bool future_state::wait(std::int64_t until) {
  if (ready() || (run_here() && ready())) return true;
  if (helps_too_deep()) {
    sleeper me;
    const state_ref<future_state> it = [this] { return hold(), state_ref<future_state>(this); }();
    return wait_at_the_roots(
        std::span(&it, 1), me, [this] { return ready(); }, until);
  }
  if (helper() == nullptr && attended_by() == nullptr) {
    // A worker that is already looking finishes a short task sooner than this thread can fall asleep.
    spin_budget& budget = here().waiting;
    bool found = false;
    for (int i = budget.looks(); i > 0 && !(found = ready()); --i) platform::cpu_relax();
    budget.ended(found);
    if (found) return true;
  }
  sleeper me;
  watch mine;
  mine.whom = &me;
  if (!link(mine)) return true;
  struct guard {
    future_state* state;
    watch& w;
    ~guard() { state->unlink(w); }
  } const linked{this, mine};
  return wait_until(
      me, [this] { return ready(); }, until, attended_by());
}

bool future_state::cancel() noexcept {
  if (take_back()) return true;
  for (state_ref<future_state> other = stand_in(); other; other = other->stand_in()) {
    if (other->take_back()) return true;
  }
  return false;
}

state_ref<future_state> future_state::stand_in() noexcept { return {}; }

bool future_state::take_back() noexcept {
  if (!begin()) return false;
  drop_task();
  fail(std::make_exception_ptr(cancelled("the task was cancelled before it began")));
  finish();
  return true;
}

std::uintptr_t future_state::lock(std::uintptr_t extra) noexcept {
  std::uintptr_t w = word_.load(std::memory_order_relaxed);
  for (int tries = 0;; ++tries) {
    if ((w & locked) == 0) {
      if (word_.compare_exchange_weak(w, w | locked | extra)) return w;
      continue;
    }
    // Held for a few stores, or for the wake-ups of those who wait.
    if (tries < 64) {
      platform::cpu_relax();
    } else {
      std::this_thread::yield();
    }
    w = word_.load(std::memory_order_relaxed);
  }
}

bool future_state::link(watch& w) noexcept {
  static_assert(alignof(watch) > flags);
  std::uintptr_t word = word_.load();
  for (;;) {
    if ((word & done) != 0) return false;
    if ((word & locked) != 0) {
      platform::cpu_relax();
      word = word_.load();
      continue;
    }
    w.next = reinterpret_cast<watch*>(word);
    w.gone.store(false, std::memory_order_relaxed);
    if (word_.compare_exchange_weak(word, reinterpret_cast<std::uintptr_t>(&w))) return true;
  }
}

void future_state::unlink(watch& w) noexcept {
  if (w.gone.load(std::memory_order_acquire)) return;
  const std::uintptr_t before = lock(0);
  auto* first = reinterpret_cast<watch*>(before & ~flags);
  for (watch** at = &first; *at != nullptr; at = &(*at)->next) {
    if (*at == &w) {
      *at = w.next;
      break;
    }
  }
  word_.store(reinterpret_cast<std::uintptr_t>(first) | (before & done));
}

void future_state::finish_watched() noexcept {
  auto* w = reinterpret_cast<watch*>(lock(done) & ~flags);
  watch* calls = nullptr;
  while (w != nullptr) {
    watch* const next = w->next;
    if (w->call != nullptr) {
      w->next = std::exchange(calls, w);
      w = next;
      continue;
    }
    sleeper* const whom = w->whom;
    if (w->group != nullptr) w->group->put(w);  // from here on its `next` is the group's
    auto* const word = whom->signal();
    w->gone.store(true, std::memory_order_release);  // w, its group and whom may be no more after this
    sleeper::wake(word);
    w = next;
  }
  word_.store(done);
  if (calls != nullptr) call_all(calls);
}

void future_state::tell_news() noexcept {
  if ((word_.load() & ~flags) == 0) return;
  const std::uintptr_t word = lock(0);
  for (auto* w = reinterpret_cast<watch*>(word & ~flags); w != nullptr; w = w->next) {
    if (w->news) w->whom->ring();
  }
  word_.store(word);
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
