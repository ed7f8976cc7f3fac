#include "platform/robust_mutex.hpp"

#include <cerrno>
#include <ctime>
#include <system_error>

namespace centimane::platform {

void robust_mutex::init() {
  pthread_mutexattr_t how;
  int refused = ::pthread_mutexattr_init(&how);
  if (refused == 0) {
    refused = ::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    if (refused == 0) refused = ::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    if (refused == 0) refused = ::pthread_mutex_init(&mutex_, &how);
    ::pthread_mutexattr_destroy(&how);
  }
  if (refused != 0) throw std::system_error(refused, std::system_category(), "centimane: cannot make a lock");
}

took robust_mutex::settle(int result) {
  if (result == 0) return took::clean;
  if (result == EOWNERDEAD) {
    ::pthread_mutex_consistent(&mutex_);
    return took::owner_died;
  }
  throw std::system_error(result, std::system_category(), "centimane: a lock in shared memory is damaged");
}

took robust_mutex::lock() { return settle(::pthread_mutex_lock(&mutex_)); }

std::optional<took> robust_mutex::try_lock() {
  const int result = ::pthread_mutex_trylock(&mutex_);
  if (result == EBUSY) return std::nullopt;
  return settle(result);
}

std::optional<took> robust_mutex::lock_until(std::int64_t until) {
  const timespec time{until / 1'000'000'000, until % 1'000'000'000};
  const int result = ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &time);
  if (result == ETIMEDOUT) return std::nullopt;
  return settle(result);
}

void robust_mutex::unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

}  // namespace centimane::platform
