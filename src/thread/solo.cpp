// In order, on the driver's thread.
#include <algorithm>

#include "centimane/detail/sleeper.hpp"
#include "platform/clock.hpp"
#include "thread/crew.hpp"
#include "thread/thread_place.hpp"

namespace centimane::engine {
namespace {

/// What is run between two words of the policy should take no longer than that.
constexpr nanos chunk_time = 100'000;
/// Items between two looks at the clock: so many slow ones may follow quick ones before the policy is asked.
constexpr index most_unseen = 64;
constexpr index plenty = index{1} << 40;

}  // namespace

struct solo::state {
  payload& work;
  bool each_alone;
  bool watched = false;
  index first = 0, count = 0;  ///< what has not been run
  std::uint32_t attempt = 1;
  bool taken_back = false;  ///< it was recalled
  index unseen = 1;         ///< items to run before the next look at the clock
  std::atomic<bool> stopping{false};
  nanos limit = policy::never;
  detail::attempt_clock clock{stopping};
  detail::sleeper bed{};

  /// Runs the next ones, up to the first that does not end in a value. Answers how many.
  index run(verdict& last) {
    if (each_alone || limit != policy::never || attempt != 1) {
      last = work.invoke(first, attempt, 0);
      return 1;
    }
    const nanos end = policy::later(platform::now(), chunk_time);
    index ran = 0;
    for (bool late = false; !late && ran < count;) {
      const index n = std::min(count - ran, unseen),
                  some = std::clamp<index>(work.invoke_range(first + ran, n, 0, last), 1, n);
      ran += some;
      if (!last.ok) break;
      late = platform::now() >= end;
      unseen = late ? 1 : std::min(unseen * 2, most_unseen);
    }
    return ran;
  }
};

solo::solo(payload& work, bool each_alone) : state_(new state{work, each_alone}) {}
solo::~solo() = default;

index solo::room() { return state_->count != 0 ? 0 : state_->each_alone ? 1 : plenty; }

void solo::start(index first, index n, std::uint32_t attempt) {
  state_->stopping.store(false, std::memory_order_relaxed);
  state_->first = first;
  state_->count = n;
  state_->attempt = attempt;
}

void solo::limit(nanos n) { state_->limit = n; }
void solo::watch() { state_->watched = state_->each_alone = true; }

void solo::recall(bool) {
  state_->stopping.store(true, std::memory_order_relaxed);
  state_->taken_back = state_->count != 0;
}

bool solo::collect(events& to) {
  state& s = *state_;
  if (s.count == 0) return false;
  if (s.taken_back) {
    trouble unsent;
    unsent.how = policy::outcome::unsent;
    unsent.where = stage::sent;
    s.taken_back = false;
    for (index n = std::exchange(s.count, 0), i = 0; i < n; ++i) to.lost(s.first + i, s.attempt, unsent);
    return true;
  }
  auto& stop = detail::here().stop;
  auto* const outer = std::exchange(stop, &s.clock);
  verdict last;
  const nanos from = s.watched || s.limit != policy::never ? platform::now() : 0;
  s.clock.begin(policy::later(from, s.limit));
  const index first = s.first, ran = s.run(last);
  if (s.watched) {
    const nanos done = platform::now();
    to.timed({from, from, done, done});
  }
  stop = outer;
  s.first += ran;
  s.count -= ran;
  if (s.clock.late()) {
    to.lost(first, s.attempt, detail::overtime_of(s.limit, platform::now() - from, 0));
    return true;
  }
  const index good = last.ok && s.attempt == 1 ? ran : ran - 1;
  if (good > 0) to.values(first, good, 0);
  if (good < ran) to.invoked(first + good, s.attempt, 0, last);
  return true;
}

void solo::wait(nanos until) {
  if (state_->count != 0) return;
  state_->bed.sleep(state_->bed.announce(), until);
}

bool solo::arm(const detail::alarm* to) { return to == nullptr || state_->count == 0; }

}  // namespace centimane::engine
