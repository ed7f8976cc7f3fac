#include "process/bell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "centimane/detail/words.hpp"
#include "platform/clock.hpp"
#include "platform/fault.hpp"
#include "platform/memfd.hpp"
#include "platform/signal_hold.hpp"

namespace centimane::engine {
namespace {

constexpr std::size_t page_size = 4096;
/// A worker whose bell is gone could leave the driver asleep over a published result. Its death cannot be missed, so it
/// dies.
constexpr int bell_lost = 70;

void write_byte(int pipe) noexcept {
  const char byte = 1;
  // Full (EAGAIN) is as good as written: the sleeper has bytes to wake for.
  while (::write(pipe, &byte, 1) < 0 && errno == EINTR) {
  }
}

}  // namespace

bell::bell() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::system_category(), "centimane: cannot create a pipe");
  }
  read_ = platform::fd{ends[0]};
  write_ = platform::fd{ends[1]};
  page_ = platform::make_memory("centimane-bell", page_size);
  mapped_ = platform::mapping(page_.get(), page_size, platform::access::write);
  mapped_.keep_from_children();
  page_ = platform::seal_for_readers(std::move(page_));
}

void bell::announce() {
  if (++epoch_ == 0) epoch_ = 1;
  at()->sleeping.store(epoch_, std::memory_order_seq_cst);
}

void bell::awake() {
  at()->sleeping.store(0, std::memory_order_seq_cst);
  char bytes[256];
  for (;;) {
    const ssize_t n = ::read(read_.get(), bytes, sizeof bytes);
    if (n == static_cast<ssize_t>(sizeof bytes) || (n < 0 && errno == EINTR)) continue;
    return;
  }
}

void bell::ring() { write_byte(write_.get()); }

bool bell::sleep(std::int64_t until) {
  pollfd what{read_.get(), POLLIN, 0};
  timespec rest{};
  if (until != policy::never) {
    const std::int64_t now = platform::now();
    if (until > now) rest = {(until - now) / 1'000'000'000, (until - now) % 1'000'000'000};
  }
  return ::ppoll(&what, 1, until == policy::never ? nullptr : &rest, platform::signal_hold::before()) > 0;
}

bell_rope::bell_rope(int page, int ring)
    : mapped_(page, page_size, platform::access::read),
      page_(reinterpret_cast<const bell_page*>(mapped_.data())),
      ring_(ring) {
  remember();
}

bell_rope::bell_rope(const bell_page& page, int ring) : page_(&page), ring_(ring) { remember(); }

void bell_rope::remember() {
  struct stat about {};
  if (::fstat(ring_, &about) != 0) throw std::system_error(errno, std::system_category(), "centimane: no bell");
  device_ = about.st_dev;
  inode_ = about.st_ino;
}

void bell_rope::ring(std::uint32_t epoch) noexcept {
  struct stat about {};
  if (::fstat(ring_, &about) != 0 || about.st_dev != device_ || about.st_ino != inode_) ::_exit(bell_lost);
  rung_ = epoch;
  write_byte(ring_);
}

}  // namespace centimane::engine
