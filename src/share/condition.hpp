// Waiting for news under a lock, between processes. Each waiter has a place in a list; a notification is given to the
// waiter that has waited longest, by one compare-exchange of its place. So a notification belongs to exactly one
// waiter, and if that one dies before it is back with the lock, its notification goes to the next who waited at that
// time: nothing is swallowed, and the notifier waits for nobody.
//
// The list needs no lock of its own. Who waits joins it while holding the lock that it is about to give back, so a
// notifier that takes the lock afterwards finds it there.
//
// Thread safety: all of it. Cost: a notification that wakes nobody is a look at the places in use. 128 may wait at a
// time.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "share/patience.hpp"
#include "share/slab.hpp"

namespace centimane::share {

class condition {
 public:
  static constexpr std::size_t places = 128;

  static std::shared_ptr<condition> make();
  static std::shared_ptr<condition> open(std::span<const std::byte> handle_bytes);
  explicit condition(std::shared_ptr<cell> at) : cell_(std::move(at)), state_(&cell_->as<state>()) {}
  [[nodiscard]] cell_handle hand_out() const { return cell_->hand_out(); }

  /// A wait: join() while holding the lock, give it back, sleep(); if notified, take the lock again and leave(…, true);
  /// else leave(…, false) and take it.
  /// Throws resource_limit if 128 wait already.
  std::size_t join();
  enum class outcome : std::uint8_t { notified, late, stopped };
  outcome sleep(std::size_t place, patience& wait);
  /// `used`: the wait ends as notified. Else a notification that has come all the same goes to another.
  void leave(std::size_t place, bool used) noexcept;

  /// Wakes up to n who wait now; answers how many.
  std::size_t notify(std::size_t n) noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  struct place {
    std::atomic<std::uint64_t> who;     ///< a process_identity; 0: free
    std::atomic<std::uint32_t> news;    ///< idle, waiting, asleep, or notified and at which ticket
    std::atomic<std::uint32_t> ticket;  ///< when it came
  };
  struct state {
    std::atomic<std::uint32_t> next_ticket;
    std::atomic<std::uint32_t> used;  ///< places from there on were never taken
    std::array<std::uint32_t, 14> spare;
    std::array<place, places> list;
  };
  [[nodiscard]] std::size_t in_use() const noexcept;
  std::optional<std::size_t> claim(std::uint64_t me) noexcept;
  std::optional<std::size_t> oldest(std::uint32_t before) const noexcept;
  bool give(std::uint32_t stamp) noexcept;
  void sweep(bool all) noexcept;
  void free(place& it) noexcept;

  std::shared_ptr<cell> cell_;
  state* state_;
};

}  // namespace centimane::share
