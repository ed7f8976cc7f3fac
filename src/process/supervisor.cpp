#include "process/supervisor.hpp"

#include <algorithm>
#include <array>

#include "platform/clock.hpp"
#include "platform/fork_generation.hpp"
#include "platform/signal_hold.hpp"
#include "platform/thread_name.hpp"

namespace centimane::engine {
namespace {

constexpr unsigned tag_bits = 48;
constexpr std::uint64_t tag_mask = (std::uint64_t{1} << tag_bits) - 1;
/// A wake-up that comes later than this tells that the whole process was stopped or suspended, not that the machine is
/// busy.
constexpr policy::nanos gap_worth_telling = 1'000'000'000;

std::uint64_t joined(std::uint16_t who, std::uint64_t tag) {
  return (std::uint64_t{who} << tag_bits) | (tag & tag_mask);
}

}  // namespace

std::shared_ptr<supervisor> supervisor::get() {
  static std::mutex guard;
  static std::weak_ptr<supervisor> present;
  const std::lock_guard lock(guard);
  auto it = present.lock();
  if (!it || it->born_ != platform::fork_generation()) {  // what was inherited over a fork has no thread here
    it = std::shared_ptr<supervisor>(new supervisor);
    present = it;
  }
  return it;
}

supervisor::supervisor() {
  const platform::signal_hold during;  // the thread inherits the mask: no user's handler ever runs on it
  thread_ = std::make_unique<std::thread>([this] { live(); });
}

supervisor::~supervisor() {
  if (platform::fork_generation() != born_) {  // a copy made by the user's fork: the thread does not exist here
    (void)thread_.release();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  poller_.kick();
  thread_->join();
}

std::uint16_t supervisor::join(watched& it) {
  const std::lock_guard lock(mutex_);
  auto free = std::find(all_.begin(), all_.end(), nullptr);
  if (free == all_.end()) free = all_.insert(all_.end(), nullptr);
  *free = &it;
  return static_cast<std::uint16_t>(free - all_.begin());
}

void supervisor::leave(std::uint16_t who) {
  const std::lock_guard lock(mutex_);
  all_[who] = nullptr;
}

void supervisor::watch(std::uint16_t who, int fd, std::uint64_t tag, bool write_too) {
  poller_.add(fd, joined(who, tag), write_too);
}

void supervisor::rewatch(std::uint16_t who, int fd, std::uint64_t tag, bool write_too) {
  poller_.change(fd, joined(who, tag), write_too);
}

void supervisor::live() {
  platform::name_thread("centimane");
  std::array<platform::poller::event, 64> events;
  policy::nanos until = policy::never;
  for (;;) {
    // What is overdue already, when the wait begins, says nothing about how long the process slept.
    const policy::nanos due = until == policy::never ? until : std::max(until, platform::now());
    const std::size_t n = poller_.wait(events, until);
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    const policy::nanos late = due == policy::never ? 0 : platform::now() - due;
    if (late > gap_worth_telling) {
      for (watched* it : all_) {
        if (it != nullptr) it->slept(late);
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (events[i].tag == platform::poller::kicked) continue;
      const std::uint64_t who = events[i].tag >> tag_bits;
      if (who < all_.size() && all_[who] != nullptr) {
        all_[who]->happened(events[i].tag & tag_mask, events[i].readable, events[i].writable);
      }
    }
    until = policy::never;
    for (watched* it : all_) {
      if (it != nullptr) until = std::min(until, it->tick());
    }
  }
}

}  // namespace centimane::engine
