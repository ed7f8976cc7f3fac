// A flag that processes wait for. Setting it lets everybody go who waits at that moment, even if it is cleared at once.
//
// Thread safety: all of it. Cost: setting and clearing one compare-exchange, a wait on a set flag one load. A process
// that dies while it sets the flag delays who waits by 100 ms at most.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "share/patience.hpp"
#include "share/slab.hpp"

namespace centimane::share {

class event {
 public:
  static std::shared_ptr<event> make();
  static std::shared_ptr<event> open(std::span<const std::byte> handle_bytes);
  explicit event(std::shared_ptr<cell> at) : cell_(std::move(at)), word_(&cell_->as<std::atomic<std::uint32_t>>()) {}
  [[nodiscard]] cell_handle hand_out() const { return cell_->hand_out(); }

  [[nodiscard]] bool is_set() const noexcept { return (word_->load() & flag) != 0; }
  void set() noexcept;
  void clear() noexcept;

  enum class outcome : std::uint8_t { set, late, stopped };
  outcome wait(patience& wait);

 private:
  // The word: the flag, whether somebody sleeps, and how often the flag was set.
  static constexpr std::uint32_t flag = 1, sleepers = 2, step = 4;
  std::shared_ptr<cell> cell_;
  std::atomic<std::uint32_t>* word_;
};

}  // namespace centimane::share
