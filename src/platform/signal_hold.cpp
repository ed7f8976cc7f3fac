#include "platform/signal_hold.hpp"

#include <pthread.h>

namespace centimane::platform {
namespace {
thread_local const sigset_t* outer = nullptr;
}

signal_hold::signal_hold() noexcept : old_{}, outermost_(outer == nullptr) {
  if (!outermost_) return;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old_);
  outer = &old_;
}

signal_hold::~signal_hold() {
  if (!outermost_) return;
  outer = nullptr;
  pthread_sigmask(SIG_SETMASK, &old_, nullptr);
}

const sigset_t* signal_hold::before() noexcept { return outer; }

}  // namespace centimane::platform
