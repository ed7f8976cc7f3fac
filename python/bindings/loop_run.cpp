// A run that an event loop carries: see run.hpp. Nothing here sleeps; the loop is told when to come back, or is rung.
#include "loop_port.hpp"
#include "platform/event_fd.hpp"
#include "run.hpp"
#include "ticks.hpp"

namespace centimane::python {
namespace {

/// The longest that one turn keeps the loop from others, callbacks aside.
constexpr nanos longest_turn = 2'000'000;

}  // namespace

void run::on_loop(index slots, nanos task_timeout, PyObject* spawn, PyObject* cancel) {
  auto port = std::make_unique<loop_port>(job_, slots, task_timeout, ref::borrow(spawn), ref::borrow(cancel));
  tasks_ = port.get();
  port_ = std::move(port);
  begin(where::loop, 0, slots);
}

int run::bell() {
  if (!bell_) {
    bell_ = std::make_unique<platform::event_fd>();
    if (const auto& stop = job_.policies().stop) stop->listen(&alarm_);
  }
  return bell_->get();
}

void run::hush() {
  if (bell_) bell_->hush();
}

double run::turn() {
  return driving([&]() -> double {
    if (finished_) return turn_ended;
    if (job_.policies().stopped()) driver_->stop();
    try {
      for (;;) {
        switch (driver_->turn(longest_turn)) {
          case engine::driver::turned::more:
            return 0;
          case engine::driver::turned::emitted:
            continue;  // and the executor is listened to while they are handed out
          case engine::driver::turned::end:
            status_ = driver_->status();
            leave(false);
            conclude();
            return turn_ended;
          case engine::driver::turned::dry:
            break;
        }
        job_.check_patience();
        if (!driver_->arm(&alarm_)) continue;
        const nanos until = std::min(driver_->until(), job_.grace_until());
        if (until == policy::never) return turn_waits;
        return static_cast<double>(std::max<nanos>(0, until - monotonic_now())) / 1e9;
      }
    } catch (const abandoned&) {
      status_ = job_.timed_out() ? policy::status::timed_out : policy::status::stopped;
      leave(true);
      conclude();
      return turn_ended;
    }
  });
}

PyObject* run::take() {
  return driving([&]() -> PyObject* {
    for (;;) {
      PyObject* result = nullptr;
      if (hand_out(result)) return result;
      if (finished_) return nullptr;
      present_ = driver_->ready();
      next_item_ = present_.first * job_.chunk();
      if (present_.count == 0) return nullptr;
    }
  });
}

void run::arrived(PyObject* list, bool ended, PyObject* error) {
  if (finished_ || driver_ == nullptr) return;
  driver_->arrived(job_.arrived(list, ended, ref::unless_none(error)));
}

void run::attempt_ended(index item, int how, PyObject* what) {
  if (finished_ || tasks_ == nullptr) return;
  tasks_->ended(item, static_cast<loop_port::end>(how), ref::borrow(what));
}

void run::leave_loop(bool kill) {
  if (!finished_ && !busy_ && job_.here() && kill && processes_ != nullptr) processes_->recall(true);
  close();
  silence();
}

/// Nobody rings any more; the descriptor is closed.
void run::silence() noexcept {
  if (!bell_) return;
  if (const auto& stop = job_.policies().stop) stop->forget(&alarm_);
  if (port_ != nullptr && job_.here()) port_->arm(nullptr);
  bell_.reset();
}

void run::ring(void* me) noexcept {
  if (const auto& bell = static_cast<run*>(me)->bell_) bell->ring();
}

}  // namespace centimane::python
