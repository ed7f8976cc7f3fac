// See hands.hpp.
#include "hands.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "job.hpp"
#include "run.hpp"

namespace centimane::python {

// Under the house's mutex.
struct circle {
  explicit circle(std::size_t n) : most(n) {}
  const std::size_t most;
  std::deque<stay> wanted;
  std::size_t all = 0, idle = 0, coming = 0;  ///< all: those who are coming included
  bool over = false;
};

namespace {

struct house {
  std::mutex mutex;
  std::condition_variable work_there, somebody_left;
  std::deque<stay> wanted;
  std::size_t all = 0, idle = 0;
  std::size_t coming = 0;                       ///< threads that were started and are not here yet
  std::deque<std::shared_ptr<circle>> founded;  ///< one for each thread that is coming to it
  std::size_t in_circles = 0;
  std::uint64_t dismissed = 0;
  /// Those who wait for all to leave: who comes meanwhile was asked for before, and leaves too.
  unsigned dismissing = 0;

  /// Is there nothing to wait for, for who has been here since that era?
  [[nodiscard]] bool told_to_go(std::uint64_t era) const { return dismissed != era || dismissing > 0; }
  [[nodiscard]] std::size_t everybody() const { return all + coming + in_circles + founded.size(); }
};

// Never destroyed: daemon threads sleep in it while the process ends.
house* here = new house;
PyObject *starter = nullptr, *finder = nullptr;

/// How many of n were started. 0: the error indicator is set. With the GIL.
std::size_t start_threads(std::size_t n) {
  ref started = ref::steal(user_call([&] { return PyObject_CallFunction(starter, "n", static_cast<Py_ssize_t>(n)); }));
  return started ? PyLong_AsSize_t(started.get()) : 0;
}

/// Notes n more stays; answers how many threads are missing for them. Under the mutex, as what follows.
std::size_t note(house& h, std::uint32_t n, const stay& where) {
  circle* const c = where.among.get();
  std::deque<stay>& wanted = c != nullptr ? c->wanted : h.wanted;
  const std::size_t free = c != nullptr ? c->idle + c->coming : h.idle + h.coming;
  wanted.insert(wanted.end(), n, where);
  std::size_t missing = wanted.size() > free ? std::min<std::size_t>(n, wanted.size() - free) : 0;
  if (c != nullptr) {
    missing = std::min(missing, c->most - c->all);
    c->all += missing;
    c->coming += missing;
    h.founded.insert(h.founded.end(), missing, where.among);
  } else {
    h.coming += missing;
  }
  return missing;
}

/// So many could not be started after all. True: there are others, who will come to the work.
bool make_do(house& h, std::size_t without, const stay& where) {
  circle* const c = where.among.get();
  if (c == nullptr) {
    h.coming -= without;
    return h.all + h.coming > 0;
  }
  c->all -= without;
  c->coming -= without;
  for (auto at = h.founded.end(); without > 0 && at != h.founded.begin();) {
    if (*--at == where.among) {
      at = h.founded.erase(at);
      --without;
    }
  }
  return c->all > 0;
}

/// One stay, on this thread, if its run is still there. False: the thread could not be made ready for it.
bool serve(stay next, PyThreadState*& state, bool& ready) {
  std::shared_ptr<run> owner = next.owner.lock();
  if (!owner) return true;
  come_back(state);
  ready = ready || owner->work().make_ready();
  hand_state = PyEval_SaveThread();
  if (ready) next.pass.work();
  come_back(hand_state);
  hand_state = nullptr;
  next = {{}, engine::hand(nullptr), {}};
  owner.reset();  // may be the last to hold it, and it holds objects
  state = PyEval_SaveThread();
  return ready;
}

void live_in(house& h, circle& c, std::unique_lock<std::mutex>& lock, PyThreadState*& state) {
  ++h.in_circles;
  --c.coming;
  const std::uint64_t era = h.dismissed;
  for (bool ready = false;;) {
    ++c.idle;
    h.work_there.wait(lock, [&] { return !c.wanted.empty() || c.over || h.told_to_go(era); });
    --c.idle;
    if (c.over || c.wanted.empty()) break;
    stay next = std::move(c.wanted.front());
    c.wanted.pop_front();
    lock.unlock();
    const bool goes_on = serve(std::move(next), state, ready);
    lock.lock();
    if (!goes_on) break;
  }
  --c.all;
  --h.in_circles;
}

}  // namespace

std::shared_ptr<circle> make_circle(std::size_t most) { return std::make_shared<circle>(most); }

void disband(const std::shared_ptr<circle>& what) {
  house& h = *here;
  std::deque<stay> dropped;
  {
    const std::lock_guard lock(h.mutex);
    what->over = true;
    dropped.swap(what->wanted);
  }
  h.work_there.notify_all();
}

void hire(std::uint32_t n, const stay& where) {
  house& h = *here;
  std::size_t missing = 0;
  {
    const std::lock_guard lock(h.mutex);
    missing = note(h, n, where);
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
    const std::lock_guard lock(h.mutex);
    if (make_do(h, missing - came, where)) started = true;
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
  if (!h.founded.empty()) {
    const std::shared_ptr<circle> mine = std::move(h.founded.front());
    h.founded.pop_front();
    live_in(h, *mine, lock, state);
  } else {
    ++h.all;
    --h.coming;
    const std::uint64_t era = h.dismissed;
    for (bool ready = true;;) {
      ++h.idle;
      const bool work = h.work_there.wait_for(lock, idle_for, [&] { return !h.wanted.empty() || h.told_to_go(era); }) &&
                        !h.wanted.empty();
      --h.idle;
      if (!work) break;
      stay next = std::move(h.wanted.front());
      h.wanted.pop_front();
      lock.unlock();
      serve(std::move(next), state, ready);
      lock.lock();
    }
    --h.all;
  }
  lock.unlock();
  h.somebody_left.notify_all();
  come_back(state);
}

std::size_t dismiss_hands(double patience_seconds) {
  house& h = *here;
  without_gil others;
  std::unique_lock lock(h.mutex);
  ++h.dismissed;
  ++h.dismissing;
  h.work_there.notify_all();
  h.somebody_left.wait_for(lock, std::chrono::duration<double>(patience_seconds), [&] { return h.everybody() == 0; });
  --h.dismissing;
  return h.everybody();
}

void forget_hands() noexcept {
  // The old one may be locked for ever by a thread that does not exist here.
  here = new (std::nothrow) house;
  hand_state = nullptr;
}

void set_threads(PyObject* start_threads, PyObject* stack_of) {
  starter = ref::borrow(start_threads).release();
  finder = ref::borrow(stack_of).release();
}

ref stack_of_thread(unsigned long ident) {
  return ref::steal(user_call([&] { return PyObject_CallFunction(finder, "k", ident); }));
}

}  // namespace centimane::python
