// A lock between processes, in memory that they share, which survives the death of whoever holds it: the kernel lets go
// of it, and the next to take it is told. For short sections that run no user code and wait for nothing; what it
// protects changes by one store, so that there is (almost) nothing to repair.
//
// Thread safety: it is a lock. Cost: about 40 ns for lock and unlock where nobody else wants it.
#pragma once
#include <pthread.h>

#include <cstdint>
#include <optional>

namespace centimane::platform {

enum class took : std::uint8_t {
  clean,
  owner_died,  ///< within its section; the lock is in order again, the caller repairs what it protects
};

class robust_mutex {
 public:
  /// Once, by who made the memory, before anybody else sees it. Throws std::system_error.
  void init();
  /// Throws std::system_error if the memory is damaged.
  took lock();
  /// Nothing: somebody has it.
  std::optional<took> try_lock();
  /// Nothing: somebody had it until `until` on the monotonic clock.
  std::optional<took> lock_until(std::int64_t until);
  void unlock() noexcept;

 private:
  took settle(int result);
  pthread_mutex_t mutex_;
};

}  // namespace centimane::platform
