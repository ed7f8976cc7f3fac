// What the two stress tests of the channel share: items whose bytes tell who they are, a worker that checks them, and a
// driver that sends, takes back, drains and sleeps at random, without any timeout behind which a lost wake-up could
// hide.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "process/channel.hpp"
#include "process/channel_worker.hpp"

namespace centimane::engine::stress {

/// What the command line asks: --seconds=N --seed=N --watchdog=N.
struct settings {
  double seconds = 1.5;
  std::uint64_t seed = 1;
  unsigned watchdog = 60;
};
inline settings& asked() {
  static settings s;
  return s;
}
inline void read_settings(int argc, char** argv) {
  for (int k = 1; k < argc; ++k) {
    const std::string a = argv[k];
    if (a.starts_with("--seconds=")) asked().seconds = std::stod(a.substr(10));
    if (a.starts_with("--seed=")) asked().seed = std::stoull(a.substr(7));
    if (a.starts_with("--watchdog=")) asked().watchdog = static_cast<unsigned>(std::stoul(a.substr(11)));
  }
}

/// Ends the program loudly if it does not end by itself: whoever sleeps for ever has lost a wake-up.
class watchdog {
 public:
  watchdog() {
    signal(SIGALRM, [](int) {
      constexpr char text[] = "HANG: nobody woke the sleeper\n";
      [[maybe_unused]] const auto n = write(2, text, sizeof text - 1);
      _exit(86);
    });
    alarm(asked().watchdog + static_cast<unsigned>(asked().seconds));
  }
  ~watchdog() { alarm(0); }
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
};

using item = std::uint32_t;

constexpr std::uint64_t scramble(std::uint64_t x) noexcept {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ x >> 33;
}
/// An item's bytes: its number, then a length and a pattern that follow from it. A byte of another item is noticed.
constexpr std::size_t length_of(std::uint64_t salt, item i, std::size_t most) noexcept {
  return 8 + scramble(salt + i) % (most - 7);
}
constexpr std::byte byte_of(std::uint64_t salt, item i, std::size_t at) noexcept {
  return static_cast<std::byte>(scramble(salt ^ i) >> (at % 8 * 8));
}
inline void fill(std::vector<std::byte>& out, std::uint64_t salt, item i, std::size_t most) {
  out.resize(length_of(salt, i, most));
  const std::uint64_t number = i;
  std::memcpy(out.data(), &number, 8);
  for (std::size_t k = 8; k < out.size(); ++k) out[k] = byte_of(salt, i, k);
}
inline bool right(std::span<const std::byte> body, std::uint64_t salt, item i, std::size_t most) {
  if (body.size() != length_of(salt, i, most)) return false;
  std::uint64_t number = 0;
  std::memcpy(&number, body.data(), 8);
  if (number != i) return false;
  for (std::size_t k = 8; k < body.size(); ++k) {
    if (body[k] != byte_of(salt, i, k)) return false;
  }
  return true;
}

constexpr std::uint64_t task_salt = 0x7461736b, result_salt = 0x72657375;

/// Passes a random short time, mostly very short: it moves the two ends against each other by a few instructions or by
/// thousands.
inline void dawdle(std::uint64_t dice) {
  for (std::uint64_t n = dice % (1u << (dice >> 32) % 17); n > 0; --n) asm volatile("");
}

/// A worker's life: checks each task's bytes and answers with bytes that tell which task it was. `opened`, `run` are
/// told of each item.
template <class Opened, class Run>
void serve(channel_worker& end, std::size_t most, Opened&& opened, Run&& run) {
  std::vector<std::byte> answer;
  std::uint64_t idle = 0;
  for (;;) {
    switch (end.claim()) {
      case channel_worker::next::closing:
        return;
      case channel_worker::next::dry:
        dawdle(scramble(++idle));
        end.sleep();
        continue;
      case channel_worker::next::task:
        break;
    }
    const auto i = static_cast<item>(end.header().definition);
    opened(i);
    end.open();
    const bool good = right(end.body(), task_salt, i, most);
    CENTIMANE_FAULT("worker.decoded");
    end.running();
    CENTIMANE_FAULT("worker.in_user");
    run(i);
    CENTIMANE_FAULT("worker.after_user");
    end.writing();
    fill(answer, result_salt, i, most);
    result_header head{};
    head.ok = good;
    end.publish(head, answer);
  }
}

/// One channel and what the driver knows is in it.
struct line {
  explicit line(const channel_shape& shape) : to(std::make_unique<channel>(shape)) {}
  line(const line&) = delete;
  line& operator=(const line&) = delete;
  virtual ~line() = default;
  std::unique_ptr<channel> to;
  std::deque<item> held;
};

/// What happened.
struct counts {
  std::uint64_t values = 0, taken_back = 0, take_backs = 0, sleeps = 0, wrong = 0, bundles = 0;
};

/// The driver's moves over any number of lines. Items come from `queue` first, then from `fresh` on up to `total`.
class mover {
 public:
  mover(std::uint64_t seed, const channel_shape& shape, item total)
      : random_(seed),
        most_(std::min<std::size_t>(layout::largest_in(std::min(shape.task_bytes, shape.result_bytes)), 120)),
        total_(total),
        outcome_(total, 0) {}

  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] std::uint32_t dice(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  [[nodiscard]] bool finished() const { return settled_ == total_; }
  [[nodiscard]] bool exhausted() const { return queue_.empty() && fresh_ == total_; }
  /// Shall this line get more? Changes its mind now and then about how much to keep in flight: little means that both
  /// sides often sleep.
  [[nodiscard]] bool wants(const line& l) {
    if (dice(500) == 0) greed_ = dice(3) == 0 ? 64 : 1 + dice(4);
    return !exhausted() && l.held.size() < greed_;
  }
  /// No item more than those that were begun.
  void stop_here() { total_ = fresh_; }
  [[nodiscard]] item total() const { return total_; }

  /// False: the worker broke the protocol.
  bool drain(line& l) {
    return l.to->drain([&](const channel::result& r) {
      const item i = l.held.front();
      l.held.pop_front();
      if (dice(16) == 0) dawdle(random_());
      if (r.header.ok != 1 || !right(r.body, result_salt, i, most_)) ++count.wrong;
      ++count.values;
      settle(i);
    });
  }
  /// The item has its one outcome.
  void settle(item i) {
    if (outcome_[i]++ != 0) ++count.wrong;
    ++settled_;
  }
  void again(item i) { queue_.push_front(i); }

  void send(line& l, std::uint32_t at_most) {
    bool any = false;
    for (std::uint32_t n = 1 + dice(at_most); n > 0 && !exhausted(); --n) {
      const item i = queue_.empty() ? fresh_ : queue_.front();
      fill(body_, task_salt, i, most_);
      if (!l.to->append({0, 0, i, 1, 0}, body_)) break;
      if (queue_.empty())
        ++fresh_;
      else
        queue_.pop_front();
      l.held.push_back(i);
      any = true;
    }
    if (any) ++count.bundles;
    l.to->publish();
  }
  /// True if something was taken back: it must be sent again, so there is no time to sleep.
  bool take_back(line& l) {
    const std::uint32_t n = l.to->take_back(1 + dice(static_cast<std::uint32_t>(l.held.size()) + 1));
    ++count.take_backs;
    count.taken_back += n;
    for (std::uint32_t k = 0; k < n; ++k) {
      // To the front or to the back, so that other items take their numbers.
      if (dice(2) == 0)
        queue_.push_front(l.held.back());
      else
        queue_.push_back(l.held.back());
      l.held.pop_back();
    }
    return n != 0;
  }
  /// Announces sleep over all lines; false if there is something to do instead. awake() must follow.
  bool announce(bell& ring, std::vector<std::unique_ptr<line>>& lines) {
    for (auto& l : lines) l->to->ring_from(1 + dice(static_cast<std::uint32_t>(l->held.size()) + 1));
    dawdle(random_());
    ring.announce();
    dawdle(random_());
    for (auto& l : lines) {
      if (l->to->due()) return false;
    }
    ++count.sleeps;
    return true;
  }

  counts count;

 private:
  std::mt19937_64 random_;
  std::size_t most_;
  item total_, fresh_ = 0;
  std::uint64_t settled_ = 0;
  std::size_t greed_ = 64;
  std::deque<item> queue_;
  std::vector<std::uint8_t> outcome_;
  std::vector<std::byte> body_;
};

}  // namespace centimane::engine::stress
