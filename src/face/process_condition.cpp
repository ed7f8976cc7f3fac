#include "centimane/process_condition.hpp"

#include <limits>
#include <stdexcept>

#include "centimane/errors.hpp"
#include "face/share_travel.hpp"
#include "share/condition.hpp"
#include "share/lock.hpp"

namespace centimane {
inline namespace v0 {

process_condition::process_condition() : it_(share::condition::make()) {}

/// True: notified.
bool process_condition::sleep(const detail::process_lock* mutex, bool owned, std::int64_t until) const {
  if (mutex == nullptr || !owned || !mutex->lock_->is_mine())
    throw std::logic_error("centimane: process_condition: the mutex must be locked by this thread to wait");
  share::lock& lock = *mutex->lock_;
  const std::size_t place = it_->join();
  const std::uint32_t depth = lock.give_back_fully();
  share::patience wait(until), again;
  const bool notified = it_->sleep(place, wait) == share::condition::outcome::notified;
  if (!notified) it_->leave(place, false);
  platform::process_identity dead, buried;
  // The caller has the mutex when this ends, however it ends.
  while (lock.retake(depth, again, buried) == share::lock::outcome::owner_died) dead = buried;
  if (notified) it_->leave(place, true);
  if (dead) throw owner_died(lock.obituary(dead));
  return notified;
}

void process_condition::notify_one() const noexcept { (void)it_->notify(1); }

void process_condition::notify_all() const noexcept { (void)it_->notify(std::numeric_limits<std::size_t>::max()); }

void codec<process_condition>::write(writer& out, const process_condition& c) { share::write_handle(out, *c.it_); }

process_condition codec<process_condition>::read(reader& in) {
  return process_condition(share::read_handle<share::condition>(in));
}

}  // namespace v0
}  // namespace centimane
