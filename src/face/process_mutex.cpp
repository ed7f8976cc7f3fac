#include "centimane/process_mutex.hpp"

#include <system_error>

#include "centimane/errors.hpp"
#include "face/share_travel.hpp"
#include "share/lock.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

process_lock::process_lock(bool recursive) : lock_(share::lock::make(recursive)) {}

bool process_lock::take(std::int64_t until) const {
  if (lock_->try_take()) return true;
  share::patience wait(until);
  platform::process_identity dead;
  const share::lock::outcome how = lock_->take(wait, dead);
  if (how == share::lock::outcome::owner_died) throw owner_died(lock_->obituary(dead));
  return how == share::lock::outcome::taken;
}

void process_lock::lock() const { (void)take(share::patience::for_ever); }

bool process_lock::try_lock() const { return take(0); }

void process_lock::unlock() const {
  if (lock_->give_back()) return;
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                          lock_->recursive() ? "centimane: unlock: this thread does not hold the mutex"
                                             : "centimane: unlock: nobody holds the mutex");
}

void lock_travel::write(writer& out, const process_lock& lock) { share::write_handle(out, *lock.lock_); }

std::shared_ptr<share::lock> lock_travel::read(reader& in, bool recursive) {
  auto it = share::read_handle<share::lock>(in);
  if (it->recursive() != recursive)
    throw payload_error("centimane: the handle of a mutex is damaged: it is of another kind", "read_args");
  return it;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
