#include "share_waits.hpp"

#include <optional>
#include <string>

#include "checked.hpp"
#include "run.hpp"
#include "share/barrier.hpp"
#include "share/condition.hpp"
#include "share/event.hpp"
#include "share_wait.hpp"

namespace nb = nanobind;

namespace centimane::python {
namespace {

std::int64_t end_of(const nb::object& timeout) {
  std::int64_t until = 0;
  if (!end_of_wait(timeout.ptr(), until)) throw nb::python_error();
  return until;
}

template <class Shared>
nb::bytes handle_of(const Shared& shared) {
  return checked([&] {
    const share::cell_handle handle = shared.hand_out();
    return nb::bytes(reinterpret_cast<const char*>(&handle), sizeof handle);
  });
}

std::span<const std::byte> view(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.c_str()), b.size()};
}

// ---- Event

using event = std::shared_ptr<share::event>;

bool wait_for_event(const event& self, const nb::object& timeout) {
  if (self->is_set()) return true;
  const std::int64_t until = end_of(timeout);
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): __init__ may be called again while this one waits
  const event keep = self;
  auto how = share::event::outcome::set;
  ref error;
  if (until == 0) return false;
  {
    waiting others(until);
    others.error = &error;
    how = keep->wait(others.patience);
  }
  if (waiting::put_back(error)) throw nb::python_error();
  return how == share::event::outcome::set;
}

// ---- Condition

using condition = std::shared_ptr<share::condition>;

/// The lock, which this thread must hold.
std::shared_ptr<share::lock> held(const nb::object& lock, const char* unless) {
  std::shared_ptr<share::lock> it = lock_of(lock.ptr());
  if (it && it->is_mine()) return it;
  PyErr_SetString(PyExc_AssertionError, unless);
  throw nb::python_error();
}

bool wait_for_news(const condition& self, const nb::object& lock, const nb::object& timeout) {
  const std::shared_ptr<share::lock> of = held(lock, "must acquire() condition before using wait()");
  const std::int64_t until = end_of(timeout);
  const condition keep = self;
  const std::size_t place = checked([&] { return keep->join(); });
  auto how = share::condition::outcome::notified;
  auto back = share::lock::outcome::taken;
  platform::process_identity dead, buried;
  ref error;
  {
    waiting others(until);
    others.error = &error;
    const std::uint32_t depth = of->give_back_fully();
    how = keep->sleep(place, others.patience);
    if (how != share::condition::outcome::notified) keep->leave(place, false);
    share::patience again = others.without_limit();
    // Whoever waits comes back with the lock, if only to be told that an owner of it has died.
    while ((back = of->retake(depth, again, buried)) == share::lock::outcome::owner_died) dead = buried;
    if (how == share::condition::outcome::notified) keep->leave(place, back == share::lock::outcome::taken);
  }
  if (!waiting::put_back(error) && dead) set_owner_died(of->obituary(dead), dead.pid);
  if (PyErr_Occurred() != nullptr) throw nb::python_error();
  return how == share::condition::outcome::notified;
}

std::size_t notify(const condition& self, const nb::object& lock, std::size_t n) {
  held(lock, "lock is not owned");
  return self->notify(n);
}

// ---- Barrier

using barrier = std::shared_ptr<share::barrier>;

[[noreturn]] void raise_broken() {
  nb::module_ threading = nb::module_::import_("threading");
  PyErr_SetNone(nb::object(threading.attr("BrokenBarrierError")).ptr());
  throw nb::python_error();
}

/// The last to arrive: runs the action while the others stand there.
bool act(const barrier& at, std::uint32_t place, const nb::object& action) {
  if (!action.is_none()) {
    const ref done = ref::steal(user_call([&] { return PyObject_CallNoArgs(action.ptr()); }));
    if (!done) {
      const nb::python_error raised;  // takes it out of the indicator
      checked([&] { at->give_up(place); });
      throw nb::python_error(raised);
    }
  }
  return checked([&] { return at->complete(place); }) == share::barrier::outcome::passed;
}

std::uint32_t wait_at_barrier(const barrier& self, const nb::object& timeout, const nb::object& action) {
  const barrier keep = self;
  ref error;
  const std::int64_t until = end_of(timeout);
  const auto place = checked([&]() -> std::optional<share::barrier::arrival> {
    waiting others(share::patience::for_ever);
    others.error = &error;
    const share::barrier::arrival at = keep->arrive(others.patience);
    if (at.how == share::barrier::outcome::broken) return std::nullopt;
    return at;
  });
  if (waiting::put_back(error)) throw nb::python_error();
  if (!place) raise_broken();
  if (place->last) {
    if (!act(keep, place->place, action)) raise_broken();
    return place->place;
  }
  const auto how = checked([&] {
    waiting others(until);
    others.error = &error;
    return keep->wait(place->place, others.patience);
  });
  if (waiting::put_back(error)) throw nb::python_error();
  if (how != share::barrier::outcome::passed) raise_broken();
  return place->place;
}

// ---- what they are to Python: a holder, which a subclass fills in its __init__ or when it is rebuilt from a pickle

template <class Shared>
struct holder {
  [[nodiscard]] const std::shared_ptr<Shared>& get() const {
    if (it) return it;
    PyErr_SetString(PyExc_ValueError, "this object was not initialised: call its class's __init__");
    throw nb::python_error();
  }
  std::shared_ptr<Shared> it;
};

template <class Shared, class Class>
void add_common(Class& c) {
  using self = holder<Shared>;
  c.def("__init__", [](self* at) { new (at) self; });
  c.def("_open", [](self& s, const nb::bytes& handle) { s.it = checked([&] { return Shared::open(view(handle)); }); });
  c.def("_hand_out", [](const self& s) { return handle_of(*s.get()); });
}

}  // namespace

void add_shared_waits(nb::module_& m) {
  using event_holder = holder<share::event>;
  nb::class_<event_holder> events(m, "SharedEvent");
  add_common<share::event>(events);
  events.def("_create", [](event_holder& s) { s.it = checked([] { return share::event::make(); }); })
      .def("_is_set", [](const event_holder& s) { return s.get()->is_set(); })
      .def("_set", [](const event_holder& s) { s.get()->set(); })
      .def("_clear", [](const event_holder& s) { s.get()->clear(); })
      .def(
          "_wait", [](const event_holder& s, const nb::object& timeout) { return wait_for_event(s.get(), timeout); },
          nb::arg("timeout").none());

  using condition_holder = holder<share::condition>;
  nb::class_<condition_holder> conditions(m, "SharedCondition");
  add_common<share::condition>(conditions);
  conditions.def("_create", [](condition_holder& s) { s.it = checked([] { return share::condition::make(); }); })
      .def(
          "_wait",
          [](const condition_holder& s, const nb::object& lock, const nb::object& timeout) {
            return wait_for_news(s.get(), lock, timeout);
          },
          nb::arg("lock"), nb::arg("timeout").none())
      .def("_notify",
           [](const condition_holder& s, const nb::object& lock, std::size_t n) { return notify(s.get(), lock, n); })
      .def("_waiting", [](const condition_holder& s) { return s.get()->waiting(); });

  using barrier_holder = holder<share::barrier>;
  nb::class_<barrier_holder> barriers(m, "SharedBarrier");
  add_common<share::barrier>(barriers);
  barriers
      .def("_create", [](barrier_holder& s,
                         std::uint32_t parties) { s.it = checked([&] { return share::barrier::make(parties); }); })
      .def(
          "_wait",
          [](const barrier_holder& s, const nb::object& timeout, const nb::object& action) {
            return wait_at_barrier(s.get(), timeout, action);
          },
          nb::arg("timeout").none(), nb::arg("action").none())
      .def("_abort", [](const barrier_holder& s) { checked([&] { s.get()->abort(); }); })
      .def("_reset", [](const barrier_holder& s) { checked([&] { s.get()->reset(); }); })
      .def("_parties", [](const barrier_holder& s) { return s.get()->parties(); })
      .def("_waiting", [](const barrier_holder& s) { return checked([&] { return s.get()->waiting(); }); })
      .def("_broken", [](const barrier_holder& s) { return s.get()->broken(); });
  m.attr("SHARED_BARRIER_MOST") = share::barrier::most;
}

}  // namespace centimane::python
