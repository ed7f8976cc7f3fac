// A channel between a driver that may do anything a driver does, within a plan, and a worker that serves, with what
// must hold of them whatever happens:
//
// - each item ends in one outcome: its result, read once, byte for byte; or blame; or it is sent again, not having
// begun
// - what the driver took back never runs; what runs was sent, under that number, and runs once
// - a death is blamed on the item that had begun, with its phase; on none if none had
// - a worker asked to stop was asked for the task in hand; a wish to be replaced is seen with the result behind it
// - a worker that leaves at closing has run all it was sent
// - no data race, no end that waits for ever (the machine's matter)
//
// The ends are the library's own. What each did is known to the test at once, behind the channel's back.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/kernel.hpp"
#include "model/machine.hpp"
#include "process/channel.hpp"
#include "process/channel_worker.hpp"

namespace centimane::model {

/// What the driver may do, and how often.
struct plan {
  const char* name;
  const char* about;
  engine::channel_shape shape;
  unsigned items;           ///< at most 6
  unsigned bundle = 1;      ///< tasks of a bundle, at most
  const char* script = "";  ///< what comes first: a digit sends so many, n sleeps until all is settled, t takes 1 back
  unsigned take_backs = 0, taken = 2;  ///< how often it takes tasks back, and how many at most
  unsigned peeks = 0;                  ///< drains without a sleep before
  unsigned looks = 0;                  ///< at a worker that may be alive; it is asked to stop if a task runs
  bool early_close = false;            ///< may say closing as soon as all is sent
  bool recycle = false;                ///< the worker asks to be replaced with its first result
  bool timed = false;
  bool endless = false;  ///< a task may run until the driver has all results that it asked to be woken for
  std::array<std::uint8_t, 6> task_bodies{8, 8, 8, 8, 8, 8};
  unsigned result_body = 8;
  bool lazy = true;  ///< may ask to be woken by the last result only, not the next
  unsigned spurious = 0;
  bool mortal = true;
};

class channel_world {
 public:
  channel_world(const plan& p, machine& m) : plan_(p), m_(m) {}
  channel_world(const channel_world&) = delete;
  channel_world& operator=(const channel_world&) = delete;

  [[nodiscard]] program parts() {
    return {[this] { begin(); },
            [this] { drive(); },
            [this] { serve(); },
            [this] { end(); },
            [this](const void* p) { return name(p); },
            parts_of_state()};
  }

 private:
  using ordinal = engine::ordinal;
  using phase = engine::phase;
  static constexpr unsigned most_items = 6, longest_body = 80;
  static constexpr std::uint64_t definition = 7;

  /// The truth about an item.
  struct item {
    ordinal number = 0;
    bool in_channel = false, settled = false, blamed = false, sent_again = false, asked_to_stop = false;
    unsigned runs = 0;
    phase at = phase::none;    ///< what has been said of it
    phase next = phase::none;  ///< what has been said, or is being said
    std::int64_t opened_at = 0;
  };

  void begin();
  [[nodiscard]] std::vector<std::span<std::byte>> parts_of_state();
  void end();
  // ---- the driver
  void drive();
  void follow_script();
  void send(unsigned n);
  void take_back(unsigned n);
  void nap();
  void drain();
  void look();
  void close();
  void bury();
  [[nodiscard]] unsigned settled() const;
  [[nodiscard]] bool driver_has_what_it_wanted() const;
  // ---- the worker
  void serve();
  void one();

  static unsigned char byte_of(bool result, unsigned i, unsigned k) {
    return static_cast<unsigned char>((result ? 0xa0U : 0x50U) + i * 16U + k % 11U);
  }
  void fill(unsigned char* to, bool result, unsigned i, unsigned size) const {
    for (unsigned k = 0; k < size; ++k) to[k] = byte_of(result, i, k);
  }
  [[nodiscard]] bool right(std::span<const std::byte> body, bool result, unsigned i) const;
  [[nodiscard]] std::string name(const void* p) const;

  const plan plan_;
  machine& m_;
  std::optional<engine::bell> bell_;
  std::optional<engine::channel> channel_;
  std::optional<engine::channel_worker> worker_;
  std::array<item, most_items> items_;
  /// Items to send, and those in the channel, in order.
  std::array<std::uint8_t, 24> queue_{}, held_{};
  std::uint8_t queue_begin_ = 0, queue_end_ = 0, held_begin_ = 0, held_end_ = 0;
  ordinal limit_ = 0;
  ordinal running_ = 0;      ///< the task that runs
  ordinal wanted_ = 0;       ///< the result from which on the driver asked to be woken
  const char* script_ = "";  ///< what is left of it
  unsigned take_backs_ = 0, peeks_ = 0, looks_ = 0;
  bool closing_ = false, buried_ = false, wished_ = false;
};

}  // namespace centimane::model
