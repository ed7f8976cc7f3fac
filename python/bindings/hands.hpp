// The threads of executor "thread". Each is a Python thread that stays here in one call and waits for work, so that
// runs find warm hands; one that finds none for a while leaves. Threads are started by Python (`threading.Thread`):
// names, tracing, debuggers and thread-locals are as everywhere.
#pragma once
#include <functional>
#include <memory>

#include "object.hpp"
#include "thread/crew.hpp"

namespace centimane::python {

class run;

/// The threads of a run with an initialiser: at most `most`, each made ready once, for this run alone. They end with
/// it.
struct circle;
std::shared_ptr<circle> make_circle(std::size_t most);
/// The run is over: those who wait for it leave, those who are at work follow.
void disband(const std::shared_ptr<circle>& what);

/// One stay at a crew's work. `owner` keeps the run alive while the hand is in it; a run that is gone needs no hands.
struct stay {
  std::weak_ptr<run> owner;
  engine::hand pass;
  std::shared_ptr<circle> among;  ///< null: any hand will do
};

/// Sends n hands there. Wakes idle ones, has `start_threads(n)` called for the rest. With or without the GIL. Throws
/// what starting a thread raises (as raised, error indicator set) only if no hand at all is there.
void hire(std::uint32_t n, const stay& where);

/// A Python thread's whole life as a hand; called by its target. With the GIL.
void live_as_hand(double idle_seconds);
/// Idle hands leave, those that are coming too; answers how many are left (at work). With the GIL, which is given away
/// meanwhile.
std::size_t dismiss_hands(double patience_seconds);
/// In a forked child: no hand has come along.
void forget_hands() noexcept;
/// start_threads(n) starts n threads, stack_of(ident) says where a thread is; for the life of the process.
void set_threads(PyObject* start_threads, PyObject* stack_of);
/// A str, or null with the error indicator set. With the GIL.
ref stack_of_thread(unsigned long ident);

}  // namespace centimane::python
