// Processes that run one function each, as their driver sees them: forked by a zygote of their own, which lives as long
// as `children` does. No thread of ours watches them. Whoever wants to know looks; whoever waits reads what the zygote
// says, for all who wait.
//
// A process ends with its driver and with its zygote, whatever ends those.
#pragma once
#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "platform/fd.hpp"
#include "platform/fork_generation.hpp"
#include "platform/pidfd.hpp"
#include "policy/fleet.hpp"
#include "process/zygote.hpp"

namespace centimane::engine {

using policy::nanos;

class children;

/// One process. Any thread. Who drops it lets it go on; one that has not been forked yet is not wanted any more, and is
/// killed as soon as it is.
class child {
 public:
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  /// Waits until it has been forked. False: not by `until`. Throws start_failed, resource_limit, pool_forked.
  bool born(nanos until);
  /// Waits until it has ended and the zygote has told how. Nothing: not by `until`; 0 looks only. If it has ended, a
  /// look too waits for the zygote, no longer than a second. One that went with its zygote was killed by SIGKILL.
  std::optional<platform::exit_status> ended(nanos until);
  /// Sends it a signal; never to a stranger who was given its number. False: it has ended.
  bool signal(int number);
  /// Readable from its end on. It has been born.
  [[nodiscard]] int sentinel() const noexcept { return sentinel_.get(); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  friend class children;
  enum class life : std::uint8_t { wanted, asked, refused, alive, alone, over };
  child(std::shared_ptr<children> home, std::uint64_t ticket, child_files files);
  /// One that is alone has lost its zygote, and ends at this moment.
  void look_at_alone();

  const std::shared_ptr<children> home_;
  const std::uint64_t ticket_;
  child_files files_;  ///< until it is born
  life life_ = life::wanted;
  unsigned tries_ = 0;
  pid_t pid_ = 0;
  platform::fd sentinel_;
  bool has_pidfd_ = false;
  int error_ = 0;  ///< refused: errno
  platform::exit_status how_;
};

class children : public std::enable_shared_from_this<children> {
 public:
  /// make_zygote: starts one whose hooks have in_child; called when the first process is wanted, and again when a
  /// zygote was lost.
  static std::shared_ptr<children> open(std::function<zygote()> make_zygote);
  ~children();  ///< what still lives is killed
  children(const children&) = delete;
  children& operator=(const children&) = delete;

  /// Asks for a process; child::born waits for it. `files.death` is the engine's own. Throws start_failed,
  /// std::system_error, pool_forked.
  std::unique_ptr<child> start(child_files files);
  /// Kills what still lives, and ends the zygote; the next start makes another.
  void close();
  /// The process that forks them; 0 while there is none.
  [[nodiscard]] pid_t zygote_pid();
  /// Those that live or are under way, as far as has been heard.
  [[nodiscard]] std::size_t count();

 private:
  friend class child;
  using lock = std::unique_lock<std::mutex>;
  explicit children(std::function<zygote()> make) : make_(std::move(make)) {}
  void check() const;
  void ask(child& who, lock& held);
  void hear();
  void lose();
  void listen(lock& held, nanos until);

  const std::function<zygote()> make_;
  const std::uint32_t born_ = platform::fork_generation();
  std::mutex mutex_;
  std::condition_variable news_;
  bool reading_ = false;            ///< somebody sleeps on the zygote's socket, for all
  std::shared_ptr<zygote> zygote_;  ///< who sleeps on its socket holds it too
  std::unordered_map<std::uint64_t, child*> open_;
  std::uint64_t next_ticket_ = 1;
};

}  // namespace centimane::engine
