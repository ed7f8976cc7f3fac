#include "process/crash_text.hpp"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cxxabi.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <typeinfo>

#include "platform/descriptors.hpp"
#include "platform/fault.hpp"

namespace centimane::engine {
namespace {

// Read by signal handlers on any thread: written once, before the handlers are installed; the descriptor last.
platform::identity file_is;
std::atomic<int> file{-1};
pid_t main_thread = 0;
bool face_writes = false;
std::terminate_handler before = nullptr;
std::atomic<int> struck{0};

constexpr std::array fatal_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::size_t stack_size = 128 * 1024;
constexpr int deepest = 64;
/// A handler that hangs (in a lock that the crashed thread holds) is cut off after that many seconds.
constexpr unsigned longest = 2;

pid_t this_thread() noexcept { return static_cast<pid_t>(syscall(SYS_gettid)); }

/// n in decimal or hexadecimal, without locale or allocation.
std::string_view digits(std::uint64_t n, unsigned base, std::array<char, 24>& space) noexcept {
  std::size_t at = space.size();
  do space[--at] = "0123456789abcdef"[n % base];
  while ((n /= base) != 0);
  return {space.data() + at, space.size() - at};
}

void write_backtrace() noexcept {
  const int to = file.load(std::memory_order_relaxed);
  if (!file_is.still(to)) return;
  std::array<void*, deepest> frames;
  const int n = backtrace(frames.data(), deepest);
  // The first is this function.
  if (n > 1) backtrace_symbols_fd(frames.data() + 1, n - 1, to);
  if (n == deepest) write_crash_text("...\n");
}

/// Ends the process by the default action of `number`, so that its parent sees that signal.
void die_of(int number) noexcept {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  sigaction(number, &plain, nullptr);
  sigset_t it;
  sigemptyset(&it);
  sigaddset(&it, number);
  syscall(SYS_tgkill, getpid(), this_thread(), number);
  pthread_sigmask(SIG_UNBLOCK, &it, nullptr);
}

void cut_off(int) noexcept { die_of(struck.load(std::memory_order_relaxed)); }

void on_fatal(int number, siginfo_t* info, void*) {
  int none = 0;
  if (file.load(std::memory_order_relaxed) < 0 || !struck.compare_exchange_strong(none, number)) {
    return die_of(number);  // a copy of a worker, or a second fault while the first is written down
  }
  struct sigaction end {};
  end.sa_handler = cut_off;
  sigaction(SIGALRM, &end, nullptr);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm_only, nullptr);
  alarm(longest);

  std::array<char, 24> space;
  write_crash_text("Fatal signal ");
  write_crash_text(digits(static_cast<unsigned>(number), 10, space));
  if (const char* name = sigabbrev_np(number)) {
    write_crash_text(" (SIG");
    write_crash_text(name);
    write_crash_text(")");
  }
  if (info != nullptr && info->si_code > 0 && (number == SIGSEGV || number == SIGBUS)) {
    write_crash_text(" at address 0x");
    write_crash_text(digits(reinterpret_cast<std::uintptr_t>(info->si_addr), 16, space));
  } else if (info != nullptr && info->si_code <= 0 && info->si_pid != getpid()) {
    write_crash_text(" sent by process ");
    write_crash_text(digits(static_cast<unsigned>(info->si_pid), 10, space));
  }
  if (this_thread() != main_thread) write_crash_text(", in a thread of the task");
  write_crash_text("\n");
  write_backtrace();
  die_of(number);
}

void on_stack(int number) {
  const int kept = errno;
  if (file.load(std::memory_order_relaxed) >= 0) {
    if (face_writes) {
      write_crash_text(end_of_stack);  // the face's handler has written the stack and then called this one
    } else if (this_thread() != main_thread) {
      syscall(SYS_tgkill, getpid(), main_thread, number);  // the task's stack is the main thread's
    } else {
      write_crash_text("Stack of the task:\n");
      CENTIMANE_FAULT("worker.in_stack");
      write_backtrace();
      write_crash_text(end_of_stack);
    }
  }
  errno = kept;
}

void on_stop(int) {}  // stop_requested() tells; a face may interrupt its user's code here

void on_terminate() {
  write_crash_text("terminate called");
  if (const std::type_info* type = abi::__cxa_current_exception_type()) {
    write_crash_text(" by an exception of type ");
    int failed = 0;
    char* plain =
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &failed);  // not in a signal handler: may allocate
    write_crash_text(plain != nullptr ? plain : type->name());
    try {
      throw;
    } catch (const std::exception& e) {
      write_crash_text(": ");
      write_crash_text(e.what());
    } catch (...) {
    }
  }
  write_crash_text("\n");
  if (before != nullptr) before();
  std::abort();
}

void install(int number, void (*handler)(int), void (*with_info)(int, siginfo_t*, void*), int flags) {
  struct sigaction action {};
  if (with_info != nullptr) {
    action.sa_sigaction = with_info;
    flags |= SA_SIGINFO;
  } else {
    action.sa_handler = handler;
  }
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

/// The main thread's handlers run on a stack of their own, so that a stack that overflows can still be told. One a
/// process, kept.
void make_handler_stack() {
  static void* const space =
      mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (space == MAP_FAILED) return;
  stack_t it{};
  it.ss_sp = space;
  it.ss_size = stack_size;
  sigaltstack(&it, nullptr);
}

}  // namespace

int stack_signal() noexcept { return SIGRTMIN + 13; }
int stop_signal() noexcept { return SIGRTMIN + 14; }
void face_writes_stacks() noexcept { face_writes = true; }
int crash_text() noexcept { return file.load(std::memory_order_relaxed); }

void write_crash_text(std::string_view what) noexcept {
  const int to = file.load(std::memory_order_relaxed);
  if (!file_is.still(to)) return;
  while (!what.empty()) {
    const ssize_t put = write(to, what.data(), what.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // full
    what.remove_prefix(static_cast<std::size_t>(put));
  }
}

void disown_crash_text() noexcept { file.store(-1, std::memory_order_relaxed); }

void open_crash_text(int text, fatal_handlers whose) {
  file.store(-1);
  file_is = platform::identity(text);
  main_thread = this_thread();
  struck.store(0);
  face_writes = false;
  file.store(text);
  std::array<void*, 4> frames;
  (void)backtrace(frames.data(), static_cast<int>(frames.size()));  // loads what the first call loads: not in a handler
  make_handler_stack();
  install(stack_signal(), on_stack, nullptr, SA_RESTART | SA_ONSTACK);
  install(stop_signal(), on_stop, nullptr, SA_RESTART | SA_ONSTACK);
  if (whose == fatal_handlers::engine) {
    for (const int number : fatal_signals) install(number, nullptr, on_fatal, SA_ONSTACK);
  }
  if (std::get_terminate() != on_terminate) before = std::set_terminate(on_terminate);
}

}  // namespace centimane::engine
