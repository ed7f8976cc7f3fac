#include "share/barrier.hpp"

#include <climits>

#include "centimane/errors.hpp"
#include "platform/fault.hpp"
#include "platform/futex.hpp"
#include "platform/process_identity.hpp"

namespace centimane::share {

/// While it lives nobody else changes anything. Each change is one store, so a death within leaves nothing to repair:
/// the place that it had is found by the others.
class barrier::section {
 public:
  explicit section(barrier& of) : mutex_(of.state_->mutex) { mutex_.lock(); }
  ~section() { mutex_.unlock(); }
  section(const section&) = delete;
  section& operator=(const section&) = delete;

 private:
  platform::robust_mutex& mutex_;
};

std::shared_ptr<barrier> barrier::make(std::uint32_t parties) {
  std::shared_ptr<cell> at = cell::make(cell_kind::barrier, head + parties * sizeof(std::uint64_t));
  auto& s = at->as<state>();
  s.parties = parties;
  s.mutex.init();
  return std::make_shared<barrier>(std::move(at));
}

std::shared_ptr<barrier> barrier::open(std::span<const std::byte> handle_bytes) {
  return std::make_shared<barrier>(cell::open(cell_kind::barrier, handle_bytes));
}

barrier::barrier(std::shared_ptr<cell> at)
    : cell_(std::move(at)), state_(&cell_->as<state>()), parties_(state_->parties) {
  static_assert(sizeof(state) <= head);
  if (parties_ == 0 || parties_ > most || cell_->size() < head + parties_ * sizeof(std::uint64_t))
    throw payload_error("centimane: the shared memory of a barrier is damaged", "read_args");
}

std::atomic<std::uint64_t>& barrier::place(std::size_t k) const noexcept {
  return reinterpret_cast<std::atomic<std::uint64_t>*>(cell_->data() + head)[k];
}

std::uint32_t barrier::standing() const noexcept {
  std::uint32_t n = 0;
  for (std::size_t k = 0; k < parties_; ++k) n += place(k).load() != 0 ? 1 : 0;
  return n;
}

void barrier::become(phase next) noexcept {
  state_->phase.store(next);
  CENTIMANE_FAULT("share.barrier.phase");
  state_->bell.fetch_add(1);
  platform::futex_wake(state_->bell, INT_MAX);
}

void barrier::remove(std::uint32_t k) noexcept {
  place(k).store(0);
  CENTIMANE_FAULT("share.barrier.left");
  const std::uint32_t now = state_->phase.load();
  if ((now == leaving || now == resetting) && standing() == 0) become(filling);
}

/// Who stands there and is dead stands there no more, and the round that waited for it is broken. A waiter looks at the
/// next place that is another process's: so together they look at all, and each at one. Who waits to come in looks at
/// all.
void barrier::look_around(std::optional<std::uint32_t> mine) noexcept {
  const std::uint64_t me = platform::this_process_identity().word();
  for (std::uint32_t n = 1; n <= parties_; ++n) {
    const std::uint32_t k = (mine.value_or(0) + n) % parties_;
    const std::uint64_t who = place(k).load();
    if (who == 0 || who == me) continue;
    if (!platform::is_alive(platform::process_identity::from_word(who))) {
      if (const std::uint32_t now = state_->phase.load(); now == filling || now == acting) become(broken_for_good);
      remove(k);
    } else if (mine) {
      return;
    }
  }
}

barrier::arrival barrier::arrive(patience& wait) {
  for (;;) {
    std::uint32_t bell = 0;
    {
      const section alone(*this);
      bell = state_->bell.load();
      const std::uint32_t now = state_->phase.load();
      if (now == broken_for_good) return {outcome::broken};
      if (now == filling && standing() < parties_) {
        std::uint32_t k = 0;
        while (place(k).load() != 0) ++k;
        CENTIMANE_FAULT("share.barrier.arriving");
        place(k).store(platform::this_process_identity().word());
        CENTIMANE_FAULT("share.barrier.arrived");
        const std::uint32_t there = standing();
        if (there < parties_) return {outcome::passed, k, false};
        look_around({});  // all must be there to go on
        if (state_->phase.load() == broken_for_good) {
          remove(k);
          return {outcome::broken};
        }
        state_->phase.store(acting);
        return {outcome::passed, k, true};
      }
      if (wait.slept()) look_around({});
    }
    if (wait.sleep(state_->bell, bell) != patience::after::again) {
      return {outcome::stopped};
    }
  }
}

barrier::outcome barrier::complete(std::uint32_t mine) {
  const section alone(*this);
  const bool whole = state_->phase.load() == acting;
  if (whole) become(leaving);
  remove(mine);
  return whole ? outcome::passed : outcome::broken;
}

barrier::outcome barrier::wait(std::uint32_t mine, patience& wait) {
  auto ended = patience::after::again;
  for (;;) {
    std::uint32_t bell = 0;
    {
      const section alone(*this);
      if (wait.slept()) look_around(mine);
      bell = state_->bell.load();
      const std::uint32_t now = state_->phase.load();
      if (now == filling && ended != patience::after::again) become(broken_for_good);
      if (now == acting && ended == patience::after::late) wait.insist();  // all have come: it was in time
      if ((now != filling && now != acting) || ended == patience::after::stopped ||
          (now == filling && ended == patience::after::late)) {
        if (now == acting) become(broken_for_good);
        remove(mine);
        if (ended == patience::after::stopped) return outcome::stopped;
        return now == leaving ? outcome::passed : outcome::broken;
      }
    }
    CENTIMANE_FAULT("share.barrier.sleep");
    ended = wait.sleep(state_->bell, bell);
  }
}

void barrier::give_up(std::uint32_t mine) {
  const section alone(*this);
  become(broken_for_good);
  remove(mine);
}

void barrier::abort() {
  const section alone(*this);
  become(broken_for_good);
}

void barrier::reset() {
  const section alone(*this);
  const std::uint32_t now = state_->phase.load();
  if (standing() == 0)
    become(filling);
  else if (now == filling || now == acting || now == broken_for_good)
    become(resetting);
}

std::uint32_t barrier::waiting() {
  const section alone(*this);
  return state_->phase.load() == filling ? standing() : 0;
}

bool barrier::broken() { return state_->phase.load() == broken_for_good; }

}  // namespace centimane::share
