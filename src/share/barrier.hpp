// A barrier between processes: whoever arrives waits until all parties have. Who stands at it is noted by process, so a
// party that dies at it breaks it for the others, who would wait for ever.
//
// The rules are those of threading.Barrier: once broken it stays so until reset; an arrival waits until the previous
// round has left; the last to arrive may run an action before the others go.
//
// Thread safety: all of it. Cost: two short sections under a robust lock a round and party, and the sleep.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "platform/robust_mutex.hpp"
#include "share/patience.hpp"
#include "share/slab.hpp"

namespace centimane::share {

class barrier {
 public:
  static constexpr std::size_t most = 65536;

  /// Precondition: 1 <= parties <= most.
  static std::shared_ptr<barrier> make(std::uint32_t parties);
  static std::shared_ptr<barrier> open(std::span<const std::byte> handle_bytes);
  explicit barrier(std::shared_ptr<cell> at);
  [[nodiscard]] cell_handle hand_out() const { return cell_->hand_out(); }

  enum class outcome : std::uint8_t { passed, broken, stopped };
  struct arrival {
    outcome how = outcome::passed;
    std::uint32_t place = 0;  ///< of 0 … parties - 1, in order of arrival
    bool last = false;        ///< the others wait for complete()
  };
  /// Takes a place; waits for the previous round to leave.
  arrival arrive(patience& wait);
  /// The last to arrive lets the others go, and leaves.
  outcome complete(std::uint32_t place);
  /// All others wait for that, and leave. Time over, or stopped: the barrier is broken.
  outcome wait(std::uint32_t place, patience& wait);

  /// In place of complete(): breaks it, and leaves.
  void give_up(std::uint32_t place);

  /// Breaks it.
  void abort();
  /// Clean again; breaks the round of those who wait.
  void reset();
  [[nodiscard]] std::uint32_t parties() const noexcept { return parties_; }
  [[nodiscard]] std::uint32_t waiting();
  [[nodiscard]] bool broken();

 private:
  enum phase : std::uint32_t { filling, acting, leaving, resetting, broken_for_good };
  struct state {
    platform::robust_mutex mutex;
    std::atomic<std::uint32_t> bell;  ///< rung with every change of phase
    std::atomic<std::uint32_t> phase;
    std::uint32_t parties;
  };
  static constexpr std::size_t head = 128;
  class section;

  [[nodiscard]] std::atomic<std::uint64_t>& place(std::size_t k) const noexcept;
  [[nodiscard]] std::uint32_t standing() const noexcept;
  void become(phase next) noexcept;
  void look_around(std::optional<std::uint32_t> mine) noexcept;
  void remove(std::uint32_t k) noexcept;

  std::shared_ptr<cell> cell_;
  state* state_;
  std::uint32_t parties_;
};

}  // namespace centimane::share
