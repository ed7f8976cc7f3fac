// The system below a channel, for the model: memory behind descriptors, a futex, the bell's pipe, the clock. It stands
// in for src/platform's sources of the same functions, and for the calls of src/process/bell.cpp (wrapped by the
// linker).
//
// A system call takes effect at once and tells its caller nothing about memory: what a woken sleeper may read is up to
// the atomic words alone. A write to the pipe is never refused: the worker rings once an epoch.
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "centimane/detail/words.hpp"
#include "model/kernel.hpp"
#include "model/machine.hpp"
#include "platform/fd.hpp"
#include "platform/futex.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"
#include "platform/signal_hold.hpp"

namespace centimane::model {
namespace {

constexpr int first_memory = 1000000, pipe_read = 2000000, pipe_write = 2000001;

struct kernel {
  struct segment {
    std::size_t begin, size;
  };
  segment segments[8];
  int count = 0;
  std::size_t used = 0;
  bool asleep = false;  ///< the worker, in its futex
  bool woken = false;
  unsigned bytes = 0;  ///< in the pipe
  std::int64_t ticks[2] = {};
} the;

const kernel::segment& segment_of(int memory) { return the.segments[memory - first_memory]; }

}  // namespace

void reset_kernel() { the = {}; }

std::span<std::byte> kernel_state() { return std::as_writable_bytes(std::span(&the, 1)); }

std::byte* the_memory() { return memory::data(); }

}  // namespace centimane::model

using centimane::model::machine;
using centimane::model::the;
using centimane::model::the_machine;

namespace centimane::platform {

void fd::reset() noexcept { number_ = -1; }

fd make_memory(const char*, std::size_t size) {
  // Of the bell's page one word is used, of the crash text nothing.
  const std::size_t used = size < 4096 ? (size + 63) / 64 * 64 : 64;
  if (the.count == 8 || the.used + used > model::memory::size) the_machine().fail("the model's memory is too small");
  the.segments[the.count] = {the.used, size};
  the.used += used;
  return fd{model::first_memory + the.count++};
}
void seal_size(int) noexcept {}
fd seal_for_readers(fd memory) { return memory; }
std::size_t memory_size(int memory) { return model::segment_of(memory).size; }

mapping::mapping(int memory, std::size_t size, access)
    : at_(model::the_memory() + model::segment_of(memory).begin), size_(size) {}
void mapping::unmap() noexcept {}
void mapping::keep_from_children() noexcept {}

const sigset_t* signal_hold::before() noexcept { return nullptr; }

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  auto& m = the_machine();
  m.call("futex wait", model::machine::the_futex, nullptr, &word);
  const bool stays = m.newest(&word, sizeof word) == expected && !m.for_no_reason();
  the.asleep = stays;
  m.called(stays ? 1U : 0U);
  if (!stays) return;
  m.call("is woken", model::machine::no_object, [] { return the.woken; });
  the.asleep = the.woken = false;
  m.called();
}

int futex_wake(std::atomic<std::uint32_t>&, int) noexcept {
  the_machine().call("futex wake", model::machine::the_futex);
  the.woken = the.asleep;
  the_machine().called();
  return 0;  // the channel does not ask
}

}  // namespace centimane::platform

extern "C" {

int __wrap_pipe2(int* ends, int) {
  ends[0] = centimane::model::pipe_read;
  ends[1] = centimane::model::pipe_write;
  return 0;
}

int __wrap_fstat(int, struct stat* about) {
  *about = {};
  return 0;
}

ssize_t __wrap_write(int, const void*, std::size_t n) {
  the_machine().call("rings the bell", machine::the_bell);
  ++the.bytes;
  the_machine().called();
  return static_cast<ssize_t>(n);
}

ssize_t __wrap_read(int, void*, std::size_t) {
  the_machine().call("empties the bell", machine::the_bell);
  const unsigned n = the.bytes;
  the.bytes = 0;
  the_machine().called(n);
  if (n != 0) return n;
  errno = EAGAIN;
  return -1;
}

/// The driver's sleep on the bell. Its poller hears of the worker's death too.
int __wrap_ppoll(pollfd*, nfds_t, const timespec*, const sigset_t*) {
  the_machine().call("sleeps until the bell rings", machine::no_object,
                     [] { return the.bytes > 0 || the_machine().worker_died(); });
  the_machine().called();
  return 1;
}

int __wrap_clock_gettime(clockid_t, timespec* now) {
  // Each end has its own: one clock would be one more thing by which the two tell each other how far they are.
  const auto self = the_machine().self();
  *now = {self == centimane::model::driver ? 1000 : 1, ++the.ticks[self]};
  return 0;
}
}
