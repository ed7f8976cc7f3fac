#include "run/budget.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "platform/clock.hpp"
#include "platform/common_file.hpp"
#include "platform/fault.hpp"

namespace centimane::engine {

/// The file, in the machine's own byte order: it never leaves the machine.
struct budget::layout {
  static constexpr std::uint64_t mark = 0x31'74'69'6d'69'6c'6d'63;  ///< "cmlimit1", whose last character is the version

  std::atomic<std::uint64_t> magic;  ///< 0 until the rest is there
  nanos between;
  std::uint64_t burst;
  char boot[40];  ///< of which the state's times are
  words state;
};

namespace {

using policy::index;
using policy::nanos;

std::string named(const std::string& path) { return "centimane: the limiter's file " + path; }

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw std::invalid_argument(named(path) + " " + std::string(why));
}

void open(platform::common_file& file, const std::string& path) {
  using found = platform::common_file::found;
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw std::invalid_argument("centimane: shared must be the path of a file");
  }
  switch (file.open(path)) {
    case found::opened:
      return;
    case found::failed:
      throw std::system_error(errno, std::generic_category(), named(path) + " cannot be opened");
    case found::not_plain:
      return refuse(path, "is no plain file: name another");
    case found::of_another_user:
      return refuse(path, "belongs to another user, and a limiter is shared by one user's processes: name another");
    case found::others_write:
      return refuse(path, "may be written to by others: name another, or take that right away (chmod 600)");
    case found::held:
      throw std::system_error(EWOULDBLOCK, std::generic_category(),
                              named(path) + " is being opened by a process that does not go on; end it");
  }
}

std::string rate(nanos between, std::uint64_t burst) {
  return "one start in " + std::to_string(static_cast<double>(between) / 1e9) + " s, bursts of " +
         std::to_string(burst);
}

}  // namespace

budget::budget(nanos between, index burst) : pace_(1, between, burst) {}

budget::budget(nanos between, index burst, const std::string& path) : pace_(1, between, burst) {
  static_assert(std::atomic<nanos>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);
  static_assert(sizeof(layout) == 80, "the file's format: another needs another mark");
  const std::string boot = platform::boot_id();
  platform::common_file file;
  open(file, path);
  if (boot.empty()) {
    throw std::system_error(ENOENT, std::generic_category(),
                            named(path) + ": the kernel does not tell one boot from another (boot_id)");
  }
  if (file.size_or_grow(sizeof(layout)) != sizeof(layout)) {
    refuse(path, "is not a limiter's, or another version's: name another");
  }
  file_ = platform::mapping(file.get(), sizeof(layout), platform::access::write);
  auto& there = *reinterpret_cast<layout*>(file_.data());
  at_ = &there.state;
  const std::uint64_t magic = there.magic.load(std::memory_order_acquire);
  if (magic != 0 && magic != layout::mark) refuse(path, "is not a limiter's, or another version's: name another");
  if (magic == layout::mark && std::string_view(there.boot, boot.size()) == boot) {
    if (there.between != between || there.burst != burst) {
      refuse(path, "is for another rate (" + rate(there.between, there.burst) + ") than the one that is asked for (" +
                       rate(between, burst) +
                       "): give all who share it one rate; or delete it, once nobody uses it any more");
    }
    return;
  }
  // Made by us, left half made by one who was killed, or of the time before a restart. Nobody uses it: whoever wants
  // to must hold it first.
  there.magic.store(0, std::memory_order_release);
  CENTIMANE_FAULT("budget.half_made");
  there.between = between;
  there.burst = burst;
  at_->tat.store(0, std::memory_order_relaxed);
  at_->paused.store(0, std::memory_order_relaxed);
  std::memset(there.boot, 0, sizeof there.boot);
  std::memcpy(there.boot, boot.data(), boot.size());
  there.magic.store(layout::mark, std::memory_order_release);
}

index budget::take_up_to(nanos now, index n) {
  if (now < at_->paused.load(std::memory_order_acquire)) return 0;
  nanos tat = at_->tat.load(std::memory_order_acquire);
  for (;;) {
    const index given = std::min(n, pace_.available(now, tat));
    CENTIMANE_FAULT("budget.take");
    if (given == 0 || at_->tat.compare_exchange_weak(tat, pace_.taken(now, tat, given))) return given;
  }
}

index budget::expected(nanos now, nanos ahead) const {
  if (now < at_->paused.load(std::memory_order_acquire)) return 0;
  return pace_.expected(now, at_->tat.load(std::memory_order_acquire), ahead);
}

nanos budget::ready_at(nanos now) const {
  const nanos paused = at_->paused.load(std::memory_order_acquire);
  return std::max({now, paused, pace_.ready_at(at_->tat.load(std::memory_order_acquire))});
}

void budget::pause_until(nanos t) {
  nanos before = at_->paused.load(std::memory_order_acquire);
  while (before < t && !at_->paused.compare_exchange_weak(before, t)) continue;
}

nanos budget::take() {
  const nanos now = platform::now();
  return take_up_to(now, 1) == 1 ? 0 : std::max<nanos>(1, ready_at(now) - now);
}

void budget::pause(nanos time) { pause_until(policy::later(platform::now(), time)); }

}  // namespace centimane::engine
