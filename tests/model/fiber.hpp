// A thread of control that runs only when it is switched to. Where it stands can be put aside, stack and all, and put
// back as often as one likes; so its stack may own nothing.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

namespace centimane::model {

class fiber {
 public:
  /// The caller's own thread.
  fiber() = default;
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  /// Will begin with `main`, which must not return.
  void prepare(void (*main)()) {
    if (!stack_) {
      stack_ = std::make_unique<std::byte[]>(stack_size);
      if (getcontext(&start_) != 0) std::abort();
    }
    start_.uc_stack.ss_sp = stack_.get();
    start_.uc_stack.ss_size = stack_size;
    start_.uc_link = nullptr;
    makecontext(&start_, main, 0);
    // What makecontext left on the stack is part of where it stands.
    at_ = {{}, stack_.get() + stack_size - 1024, false};
  }
  /// Leaves the fiber that runs, which is this one, for another; returns when somebody switches back.
  [[gnu::noinline]] void leave_for(fiber& other) {
    at_.low = below_here();
    if (_setjmp(at_.here) == 0) other.go_on();
  }
  /// Leaves the fiber that runs for this one, never to return there.
  [[noreturn]] void go_on() {
    if (at_.started) _longjmp(at_.here, 1);
    at_.started = true;
    setcontext(&start_);
    std::abort();
  }
  /// Leaves the fiber that runs, which is this one, for a place that another has set.
  [[gnu::noinline]] void leave_for(jmp_buf& place) {
    if (_setjmp(at_.here) == 0) _longjmp(place, 1);
  }

  /// To be called by the fiber itself before it is put aside while it runs.
  void stands_here() { at_.low = below_here(); }
  /// Where it stands: two pieces of memory.
  [[nodiscard]] std::span<std::byte> position() { return std::as_writable_bytes(std::span(&at_, 1)); }
  [[nodiscard]] std::span<std::byte> stack() { return {at_.low, stack_.get() + stack_size}; }

 private:
  struct position_now {
    jmp_buf here;
    std::byte* low;  ///< below all of its stack that is in use
    bool started;
  };
  /// Below the caller's frame, with room for that of setjmp and for a red zone.
  [[gnu::noinline]] static std::byte* below_here() { return static_cast<std::byte*>(__builtin_frame_address(0)) - 512; }
  static constexpr std::size_t stack_size = 64 * 1024;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t start_{};
  position_now at_{{}, nullptr, true};
};

}  // namespace centimane::model
