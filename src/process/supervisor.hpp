// The engine's one thread in the driver's process: waits in epoll for deaths, sockets and clocks of all process pools.
// It runs no user code, decodes nothing, blocks all signals, and never waits on memory that a worker can write. It
// lives as long as a pool does.
#pragma once
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "platform/fork_generation.hpp"
#include "platform/poller.hpp"

namespace centimane::engine {

/// What the supervisor looks after. Both calls come on its thread.
class watched {
 public:
  /// Something happened on the descriptor that was watched under `tag`. May be stale: a descriptor unwatched meanwhile.
  virtual void happened(std::uint64_t tag, bool readable, bool writable) = 0;
  /// Lets clocks act; answers when to come again.
  virtual policy::nanos tick() = 0;
  /// The whole process was stopped for `gap`: deadlines shift by it.
  virtual void slept(policy::nanos gap) = 0;

 protected:
  ~watched() = default;
};

class supervisor {
 public:
  /// The process's supervisor; its thread starts with the first holder and ends with the last.
  static std::shared_ptr<supervisor> get();
  ~supervisor();
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  /// Answers the number under which `it` is known here.
  std::uint16_t join(watched& it);
  /// After it returns, no call into it is under way or will come. Not from the supervisor's own thread.
  void leave(std::uint16_t who);

  /// tag: 48 bits, the watched one's own.
  void watch(std::uint16_t who, int fd, std::uint64_t tag, bool write_too = false);
  void rewatch(std::uint16_t who, int fd, std::uint64_t tag, bool write_too);
  void unwatch(int fd) noexcept { poller_.remove(fd); }
  /// Everybody's tick comes soon: a deadline has become earlier.
  void kick() noexcept { poller_.kick(); }

 private:
  supervisor();
  void live();
  platform::poller poller_;
  std::mutex mutex_;  ///< held while a watched one is called; never taken with a pool's lock held
  std::vector<watched*> all_;
  bool ending_ = false;
  std::uint32_t born_ = platform::fork_generation();
  std::unique_ptr<std::thread> thread_;
};

}  // namespace centimane::engine
