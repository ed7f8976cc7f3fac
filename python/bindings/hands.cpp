// See hands.hpp.
#include "hands.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "job.hpp"
#include "run.hpp"

namespace centimane::python {
namespace {

struct house {
  std::mutex mutex;
  std::condition_variable work_there, somebody_left;
  std::deque<stay> wanted;
  std::size_t all = 0, idle = 0;
  std::size_t coming = 0;  ///< threads that were started and are not here yet
  std::uint64_t dismissed = 0;
};

// Never destroyed: daemon threads sleep in it while the process ends.
house* here = new house;
PyObject* starter = nullptr;

/// How many of n were started. 0: the error indicator is set. With the GIL.
std::size_t start_threads(std::size_t n) {
  ref started = ref::steal(user_call([&] { return PyObject_CallFunction(starter, "n", static_cast<Py_ssize_t>(n)); }));
  return started ? PyLong_AsSize_t(started.get()) : 0;
}

}  // namespace

void hire(std::uint32_t n, const stay& where) {
  house& h = *here;
  std::size_t missing = 0;
  {
    std::lock_guard lock(h.mutex);
    for (std::uint32_t i = 0; i < n; ++i) h.wanted.push_back(where);
    if (h.wanted.size() > h.idle + h.coming) missing = std::min<std::size_t>(n, h.wanted.size() - h.idle - h.coming);
    h.coming += missing;
  }
  h.work_there.notify_all();
  if (missing == 0) return;
  const bool on_hand = hand_state != nullptr;
  PyThreadState* state = hand_state;
  if (on_hand) {
    hand_state = nullptr;
    come_back(state);
  }
  const std::size_t came = start_threads(missing);
  bool started = came > 0;
  {
    std::lock_guard lock(h.mutex);
    h.coming -= missing - came;
    if (h.all + h.coming > 0) started = true;  // those there will come to it
  }
  if (on_hand) {
    PyErr_Clear();
    hand_state = PyEval_SaveThread();
  } else if (started) {
    PyErr_Clear();
  }
  if (!started) throw raised{};
}

void live_as_hand(double idle_seconds) {
  house& h = *here;
  PyThreadState* state = PyEval_SaveThread();
  const auto idle_for = std::chrono::duration<double>(idle_seconds);
  std::unique_lock lock(h.mutex);
  ++h.all;
  --h.coming;
  const std::uint64_t era = h.dismissed;
  for (;;) {
    ++h.idle;
    const bool work = h.work_there.wait_for(lock, idle_for, [&] { return !h.wanted.empty() || h.dismissed != era; }) &&
                      !h.wanted.empty();
    --h.idle;
    if (!work) break;
    stay next = std::move(h.wanted.front());
    h.wanted.pop_front();
    lock.unlock();
    if (std::shared_ptr<run> owner = next.owner.lock()) {
      come_back(state);
      const bool ready = owner->work().begin_hand();
      hand_state = PyEval_SaveThread();
      if (ready) next.pass.work();
      come_back(hand_state);
      hand_state = nullptr;
      next = {{}, engine::hand(nullptr)};
      owner.reset();  // may be the last to hold it, and it holds objects
      state = PyEval_SaveThread();
    }
    lock.lock();
  }
  --h.all;
  lock.unlock();
  h.somebody_left.notify_all();
  come_back(state);
}

std::size_t dismiss_hands(double patience_seconds) {
  house& h = *here;
  without_gil others;
  std::unique_lock lock(h.mutex);
  ++h.dismissed;
  h.work_there.notify_all();
  h.somebody_left.wait_for(lock, std::chrono::duration<double>(patience_seconds), [&] { return h.all == 0; });
  return h.all;
}

void forget_hands() noexcept {
  // The old one may be locked for ever by a thread that does not exist here.
  here = new (std::nothrow) house;
  hand_state = nullptr;
}

void set_thread_starter(PyObject* start_threads) { starter = ref::borrow(start_threads).release(); }

}  // namespace centimane::python
