#include "thread/crew_core.hpp"

#include <algorithm>

#include "centimane/errors.hpp"
#include "platform/clock.hpp"
#include "platform/fork_generation.hpp"
#include "thread/thread_place.hpp"

namespace centimane::engine {

namespace {
/// How long results may wait for a driver that sleeps.
constexpr nanos doze_time = 200'000;
/// Items and places enough for "any number", far from overflow.
constexpr index plenty = index{1} << 40;
/// Chunks that hands which draw item by item are given ahead, so that they need not wait for the driver after each.
constexpr index chunks_ahead = 4;
}  // namespace

crew_core::crew_core(payload& work, std::uint32_t workers, bool each_alone, std::function<void(std::uint32_t)> hire)
    : work_(work),
      workers_(std::max(workers, 1U)),
      each_alone_(each_alone),
      hire_(std::move(hire)),
      born_(platform::fork_generation()),
      own_depth_(each_alone) {
  places_.reserve(workers_);
  for (std::uint32_t i = workers_; i-- > 0;) places_.push_back(static_cast<int>(i));
}

bool crew_core::here() const noexcept { return platform::fork_generation() == born_; }

void crew_core::depth(std::uint32_t n) {
  depth_ = n;
  own_depth_ = false;
}

index crew_core::most() const noexcept {
  if (own_depth_) return limit_ != nullptr ? workers_ : std::max<index>(workers_, quick());
  return depth_ == 0 ? plenty : index{depth_} * workers_;
}

/// What takes its time is given to free hands only; of what is quick, so much waits as will begin soon.
index crew_core::quick() const noexcept { return grain_ > 1 ? workers_ * grain_ * chunks_ahead : 0; }

void crew_core::limit(nanos n) {
  task_limit_ = n;
  under_way_.resize(n == policy::never ? 0 : workers_);
}

index crew_core::room() {
  if (!here()) throw pool_forked("centimane: this run belongs to the process that began it, not to its fork");
  const std::lock_guard lock(mutex_);
  const index held = queued_ + busy_, all = most();
  return all > held ? all - held : 0;
}

policy::further crew_core::further() {
  if (!here()) return {};
  const std::lock_guard lock(mutex_);
  const index held = queued_ + busy_, all = quick();
  return {all > held ? all - held : 0, drawing_};
}

std::uint32_t crew_core::missing_hands() const noexcept {
  const std::uint32_t there = inside_ + coming_ + (driver_works_ && !driver_inside_ ? 1 : 0);
  if (there >= workers_) return 0;
  // Hands inside that are busy take more when they are done; those on their way take one item each at least.
  const std::uint32_t free = inside_ - busy_ + coming_;
  return queued_ <= free ? 0 : static_cast<std::uint32_t>(std::min<index>(workers_ - there, queued_ - free));
}

void crew_core::start(index first, index n, std::uint32_t attempt, bool draws) {
  std::uint32_t more = 0;
  {
    const std::lock_guard lock(mutex_);
    if (draws && held_) {
      ended_.push_back({ended::unsent, -1, attempt, first, n, {}});
      tell();
      return;
    }
    if (each_alone_ && attempt > 1) {
      queue_.push_front({first, n, attempt, draws});  // what was admitted goes before what is new
    } else if (!queue_.empty() && queue_.back().attempt == attempt && queue_.back().draws == draws &&
               queue_.back().first + queue_.back().count == first) {
      queue_.back().count += n;
    } else {
      queue_.push_back({first, n, attempt, draws});
    }
    queued_ += n;
    if (draws) drawing_ += n;
    more = missing_hands();
    coming_ += more;
  }
  stopping_.store(false, std::memory_order_relaxed);
  if (more == 0) return;
  try {
    hire_(more);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    coming_ -= more;
    if (inside_ + coming_ == 0) throw;  // with a hand or more the work still gets done
  }
}

crew_core::span crew_core::take() {
  span& front = queue_.front();
  index n = 1;
  if (front.attempt == 1) {
    // Towards the end chunks shrink, so that the last ones end together; not below what is worth taking the lock for.
    const index least = std::max<index>(1, grain_ / 32);
    n = std::min({front.count, grain_, std::max(least, queued_ / (2 * index{workers_}))});
  }
  const span mine{front.first, n, front.attempt, false};
  front.first += n;
  front.count -= n;
  if (front.count == 0) queue_.pop_front();
  queued_ -= n;
  return mine;
}

/// Each item alone, with a look at the clock between them.
void crew_core::run_timed(span s, int me, std::vector<ended>& out) {
  for (nanos from = platform::now(); s.count > 0; ++s.first, --s.count) {
    const verdict v = work_.invoke(s.first, s.attempt, me);
    const nanos to = platform::now();
    out.push_back({v.ok && s.attempt == 1 ? ended::values : ended::invoked, me, s.attempt, s.first, 1, v, from, to});
    from = to;
    if (s.count > 1 && stopping_.load(std::memory_order_relaxed)) {
      out.push_back({ended::unsent, me, s.attempt, s.first + 1, s.count - 1, {}});
      return;
    }
  }
}

void crew_core::run(span s, int me, std::vector<ended>& out) {
  if (watched_) return run_timed(s, me, out);
  if (s.attempt != 1) {
    const verdict v = work_.invoke(s.first, s.attempt, me);
    out.push_back({v.ok && s.attempt == 1 ? ended::values : ended::invoked, me, s.attempt, s.first, 1, v});
    return;
  }
  while (s.count > 0) {
    verdict last;
    const index ran = std::clamp<index>(work_.invoke_range(s.first, s.count, me, last), 1, s.count);
    const index good = last.ok ? ran : ran - 1;
    if (good > 0) out.push_back({ended::values, me, 1, s.first, good, {}});
    if (!last.ok) out.push_back({ended::invoked, me, 1, s.first + good, 1, last});
    s.first += ran;
    s.count -= ran;
    if (s.count > 0 && stopping_.load(std::memory_order_relaxed)) {
      out.push_back({ended::unsent, me, 1, s.first, s.count, {}});
      return;
    }
  }
}

void crew_core::note(const ended& what) {
  if (!ended_.empty() && what.what == ended::values) {
    ended& last = ended_.back();
    if (last.what == ended::values && last.to == 0 && last.worker == what.worker &&
        last.first + last.count == what.first) {
      last.count += what.count;
      return;
    }
  }
  ended_.push_back(what);
}

std::atomic<std::uint32_t>* crew_core::signal_driver() noexcept {
  if (rest_ == rest::awake) return nullptr;
  if (!to_collect() || (rest_ == rest::dozing && queued_ > 0)) return nullptr;
  rest_ = rest::awake;
  return driver_.signal();
}

void crew_core::work(stay how) {
  auto& stop = detail::here().stop;
  detail::attempt_clock clock(stopping_);
  std::unique_lock lock(mutex_);
  if (how != stay::short_visit && coming_ > 0) --coming_;
  if (closed_ || places_.empty()) return;
  const int me = places_.back();
  places_.pop_back();
  ++inside_;
  auto* const outer = std::exchange(stop, &clock);
  std::vector<ended> out;
  bool leaves = false;
  while (!closed_ && !queue_.empty() && !leaves) {
    if (each_alone_) {
      drawing mine(*this, me, how != stay::all, clock);
      lock.unlock();
      work_.invoke_drawn(mine, me);
      lock.lock();
    } else {
      const span mine = take();
      ++busy_;
      lock.unlock();
      const nanos began = platform::now();
      run(mine, me, out);
      const nanos took = platform::now() - began;
      lock.lock();
      --busy_;
      if (mine.attempt == 1) fit_grain(mine.count, took);
      for (const ended& e : out) note(e);
      out.clear();
      news_.store(true);
    }
    std::atomic<std::uint32_t>* word = signal_driver();
    const bool hand_on = how == stay::handed_on && !queue_.empty() && !closed_;
    leaves = how != stay::all;
    if (hand_on) ++coming_;
    if (word == nullptr && !hand_on) continue;
    lock.unlock();
    detail::sleeper::wake(word);
    bool hired = true;
    if (hand_on) {
      try {
        hire_(1);
      } catch (...) {
        hired = false;
      }
    }
    lock.lock();
    if (!hired) {
      --coming_;
      leaves = false;  // then this hand stays
    }
  }
  stop = outer;
  --inside_;
  places_.push_back(me);
  std::atomic<std::uint32_t>* const word = closed_ && inside_ == 0 ? driver_.signal() : nullptr;
  lock.unlock();
  detail::sleeper::wake(word);
}

/// Grows at most sixteenfold a step: what one chunk took tells little of the next. A chunk cut short says nothing
/// against it.
void crew_core::fit_grain(index ran, nanos took) noexcept {
  if (ran == 0) return;
  const index fit = ran * static_cast<index>(chunk_time) / static_cast<index>(std::max<nanos>(1, took));
  grain_ = std::max<index>(1, std::min(fit, std::max(grain_, ran * 16)));
}

void crew_core::give_back() {
  for (const span& s : queue_) ended_.push_back({ended::unsent, -1, s.attempt, s.first, s.count, {}});
  queue_.clear();
  queued_ = drawing_ = 0;
  if (!ended_.empty()) tell();
}

/// What has its token begins.
void crew_core::give_back_drawing() {
  if (drawing_ == 0) return;
  for (const span& s : queue_) {
    if (s.draws) ended_.push_back({ended::unsent, -1, s.attempt, s.first, s.count, {}});
  }
  std::erase_if(queue_, [](const span& s) { return s.draws; });
  queued_ -= std::exchange(drawing_, 0);
  tell();
}

// ---- limits

/// Under the lock, as what follows: an attempt begins, or has come back.
void crew_core::begin_clock(int me, detail::attempt_clock& clock, nanos now) {
  if (task_limit_ == policy::never) return;
  under_way& mine = under_way_[static_cast<std::size_t>(me)];
  mine.due = policy::later(now, task_limit_);
  ++mine.number;
  clock.begin(mine.due);
}

/// Was it too late?
bool crew_core::end_clock(int me, detail::attempt_clock& clock, nanos now) {
  if (task_limit_ == policy::never) return false;
  under_way& mine = under_way_[static_cast<std::size_t>(me)];
  const bool late = clock.late();
  if (late) overruns_.push_back({now - mine.due + task_limit_, std::move(mine.stack)});
  mine.due = policy::never;
  mine.looked_at = false;
  mine.stack.clear();
  return late;
}

nanos crew_core::due() {
  if (task_limit_ == policy::never) return policy::never;
  const std::lock_guard lock(mutex_);
  // What waits for a hand cannot be late before that.
  nanos first = queued_ > 0 ? policy::later(platform::now(), task_limit_) : policy::never;
  for (const under_way& u : under_way_) {
    if (!u.looked_at) first = std::min(first, u.due);
  }
  return first;
}

/// Asks where the threads are that have passed their limit. Not under the lock: the face may do anything.
void crew_core::look_at_late_ones() {
  const nanos now = platform::now();
  for (std::size_t me = 0; me < under_way_.size(); ++me) {
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      under_way& its = under_way_[me];
      if (its.looked_at || now < its.due) continue;
      its.looked_at = true;
      number = its.number;
    }
    std::string stack = work_.stack_of(static_cast<int>(me));
    const std::lock_guard lock(mutex_);
    under_way& its = under_way_[me];
    if (its.number == number && its.looked_at) its.stack = std::move(stack);  // else it has come back meanwhile
  }
}

void crew_core::recall(bool) {
  if (!here()) return;
  const std::lock_guard lock(mutex_);
  stopping_.store(true, std::memory_order_relaxed);
  give_back();
}

bool crew_core::collect(events& to) {
  if (task_limit_ != policy::never) look_at_late_ones();
  if (!news_.load()) return false;
  handed_over_.clear();
  std::deque<overrun> overruns;
  {
    const std::lock_guard lock(mutex_);
    rest_ = rest::awake;
    held_ = false;
    handed_over_.swap(ended_);
    overruns.swap(overruns_);
    news_.store(false);
  }
  trouble unsent;
  unsent.how = policy::outcome::unsent;
  unsent.where = stage::sent;
  for (const ended& e : handed_over_) {
    if (e.to != 0) to.timed({e.from, e.from, e.to, e.to});
    switch (e.what) {
      case ended::values:
        to.values(e.first, e.count, e.worker);
        break;
      case ended::invoked:
        to.invoked(e.first, e.attempt, e.worker, e.how);
        break;
      case ended::unsent:
        for (index i = 0; i < e.count; ++i) to.lost(e.first + i, e.attempt, unsent);
        break;
      case ended::overtime: {
        trouble late = detail::overtime_of(task_limit_, overruns.front().took, e.worker);
        late.stack = std::move(overruns.front().stack);
        overruns.pop_front();
        to.lost(e.first, e.attempt, late);
        break;
      }
    }
  }
  return !handed_over_.empty();
}

void crew_core::wait(nanos until) {
  if (to_collect()) return;
  if (driver_works_ && detail::helper() == nullptr) {
    bool queued;
    {
      const std::lock_guard lock(mutex_);
      queued = !queue_.empty() && !places_.empty();
      driver_inside_ = queued;
    }
    if (queued) {
      work(stay::short_visit);
      const std::lock_guard lock(mutex_);
      driver_inside_ = false;
      return;
    }
  }
  if (detail::helper() != nullptr) {
    // A nested run in a thread pool: this worker is a hand as well, or nobody might ever be.
    bool queued;
    {
      const std::lock_guard lock(mutex_);
      queued = !queue_.empty() && !places_.empty();
      if (!queued) rest_ = rest::asleep;
    }
    if (queued) return work(stay::short_visit);
    detail::wait_until(
        driver_, [this] { return to_collect(); }, until);
    const std::lock_guard lock(mutex_);
    rest_ = rest::awake;
    return;
  }
  // First asleep to all but the end of the work; then, after what has ended meanwhile was collected or if nothing has,
  // to nothing.
  for (const rest how : {rest::dozing, rest::asleep}) {
    std::unique_lock lock(mutex_);
    if (to_collect()) break;
    rest_ = how;
    const std::uint32_t ticket = driver_.announce();
    lock.unlock();
    const nanos end = how == rest::dozing ? std::min(until, policy::later(platform::now(), doze_time)) : until;
    const auto why = driver_.sleep(ticket, end);
    if (why != detail::woken::late || end == until) break;
  }
  const std::lock_guard lock(mutex_);
  rest_ = rest::awake;
}

/// As if the driver slept: each chunk that ends wakes it, once until it arms anew.
bool crew_core::arm(const detail::alarm* to) {
  if (!here()) return to != nullptr;
  if (to == nullptr) {
    {
      const std::lock_guard lock(mutex_);
      rest_ = rest::awake;
    }
    driver_.divert(nullptr);
    return true;
  }
  driver_.divert(to);
  const std::lock_guard lock(mutex_);
  if (to_collect()) return false;
  rest_ = rest::asleep;
  return true;
}

void crew_core::close() {
  if (!here()) return;  // its hands are not here, and may have held the lock when this copy was made
  std::unique_lock lock(mutex_);
  closed_ = true;
  stopping_.store(true, std::memory_order_relaxed);
  queue_.clear();
  queued_ = drawing_ = 0;
  while (inside_ != 0) {
    // Hands may need the face's lock to get out.
    struct sleep_call {
      detail::sleeper& driver;
      std::uint32_t ticket;
    } call{driver_, driver_.announce()};
    lock.unlock();
    work_.idle(
        [](void* at) {
          auto& c = *static_cast<sleep_call*>(at);
          c.driver.sleep(c.ticket, policy::never);
        },
        &call);
    driver_.awake();
    lock.lock();
  }
}

}  // namespace centimane::engine
