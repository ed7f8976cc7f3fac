// See process_tasks.hpp. Here: what waits, fetches and settles.
#include <pthread.h>

#include <algorithm>
#include <csignal>

#include "platform/signal_hold.hpp"
#include "process_tasks.hpp"
#include "ticks.hpp"

namespace centimane::python {
namespace {

/// For so long after somebody waited, the settler leaves the fetching to those who wait: a thread that waits for its
/// result is woken by the worker itself, without a third thread between them.
constexpr nanos grace = 200'000;
/// Who asks a future whether it is done looks into the rings no more often than that.
constexpr double seconds_a_look = 20e-6;
/// While others fetch, the settler looks again after that.
constexpr nanos patience = 2'000'000;
/// How long workers may take to leave.
constexpr nanos leave_grace = 3'000'000'000;

constexpr char forked_text[] = "this future belongs to the process that submitted its task, not to its fork";

}  // namespace

// ---- what comes back

/// Takes over what has come; any thread that has the baton, or the GIL. Not under lock_.
void process_tasks::fetch() {
  std::shared_ptr<engine::inbox> box;
  {
    const lock l(lock_);
    box = std::move(spare_);
  }
  if (!box || box.use_count() != 1) box = std::make_shared<engine::inbox>();
  const bool any = port_->fetch(*box, *this);
  const lock l(lock_);
  if (any && !box->empty()) {
    arrived_.push_back(std::move(box));
  } else {
    spare_ = std::move(box);
  }
}

/// Settles all that was fetched. Several threads may be here, and it may come back here: each takes the next.
void process_tasks::settle_arrived() {
  for (;;) {
    std::shared_ptr<engine::inbox> box;
    std::vector<index> refused;
    {
      const lock l(lock_);
      refused.swap(refused_);
      if (!arrived_.empty()) box = arrived_.front();
    }
    for (const index id : refused) {
      std::exception_ptr why;
      {
        const lock l(lock_);
        if (const auto found = no_memory_.extract(id)) why = found.mapped();
      }
      const ref future = take(id);
      if (!future) continue;
      if (why) {
        translate([&] { std::rethrow_exception(why); });
      } else {
        PyErr_SetString(PyExc_RuntimeError, "a task could not be written");
      }
      fail_at_once(reinterpret_cast<future_object*>(future.get()));
    }
    if (!box) return;
    while (box->tell_one(*this)) {
    }
    const lock l(lock_);
    if (!arrived_.empty() && arrived_.front() == box) arrived_.pop_front();
    if (!spare_) spare_ = std::move(box);
  }
}

void process_tasks::returned(index id, std::uint32_t, int, bool ok, engine::verdict, reader record) {
  const ref future = take(id);
  if (!future) return;
  future_object* f = reinterpret_cast<future_object*>(future.get());
  if (record.remaining() >= sizeof(float)) static_cast<void>(record.raw<float>());
  ref value = ref::steal(decode_value(record));
  if (value && ok) return settle_with_result(f, std::move(value));
  if (!value) value = take_error();  // whole, but this process cannot make an object of it
  ref error = ref::steal(user_call([&] {
    return PyObject_CallFunction(how_.rebuild.get(), "OK", value.get(), static_cast<unsigned long long>(id));
  }));
  if (!error) error = take_error();
  settle_with_exception(f, std::move(error));
}

void process_tasks::lost(index id, std::uint32_t attempt, const engine::trouble& why) {
  const ref future = take(id);
  if (!future) return;
  future_object* f = reinterpret_cast<future_object*>(future.get());
  const bool cut_off = why.how == policy::outcome::cancelled || why.how == policy::outcome::unsent;
  if (cut_off && !broken_.empty()) return settle_with_exception(f, broken_error(broken_));
  if (cut_off && (kill_grace_ < 0 || why.how == policy::outcome::unsent)) return settle_cancelled(f);
  if (cut_off) return settle_with_exception(f, broken_error("the worker was ended while it ran this task"));
  ref error = explain(how_.trouble.get(), id, attempt, why, false);
  if (!error) error = take_error();
  const bool dead = why.where == engine::stage::start;
  const std::string text = why.text;
  settle_with_exception(f, std::move(error));
  if (why.how == policy::outcome::died && (dead || how_.break_on_death)) fail_open(text);
}

void process_tasks::refused(index id, std::uint32_t, engine::verdict) {
  const lock l(lock_);
  refused_.push_back(id);
}

ref process_tasks::broken_error(const std::string& text) const {
  ref error = ref::steal(user_call([&] { return PyObject_CallFunction(how_.broken.get(), "s", text.c_str()); }));
  return error ? std::move(error) : take_error();
}

/// The pool is of no use any more: so is all that it was given.
void process_tasks::fail_open(const std::string& text) {
  if (!broken_.empty()) return;
  broken_ = text.empty() ? "a worker process died" : text;
  std::vector<index> all;
  {
    const lock l(lock_);
    for (index id = base_; id < end_id(); ++id) {
      if (at(id).at != stage::ended) all.push_back(id);
    }
    next_ = end_id();
  }
  port_->recall(true);
  for (const index id : all) {
    PyObject* item = nullptr;
    {
      const lock l(lock_);
      if (task* t = find(id)) item = std::exchange(t->item, nullptr);
    }
    const ref drop = ref::steal(item), future = take(id);
    if (future) settle_with_exception(reinterpret_cast<future_object*>(future.get()), broken_error(broken_));
  }
}

// ---- waiting

void process_tasks::lay_baton_down(lock& l) {
  baton_ = settler_has_it_ = false;
  pass_turn(l);
}

/// The baton is free: the first who still waits takes it up.
void process_tasks::pass_turn(lock&) {
  for (sleeper* s : onlookers_) {
    if (s->rung.load() == 0) return s->ring_turn();
  }
}

/// Sleeps until something comes, then takes it over and feeds the workers. Without the GIL.
void process_tasks::wait_with_baton(lock& l, nanos until) {
  l.unlock();
  try {
    port_->wait(until);
    fetch();
    l.lock();
    feed(l, false);
  } catch (const std::exception&) {  // no memory: what is there stays where it is, and is looked at again
    if (!l.owns_lock()) l.lock();
  }
}

bool process_tasks::attend(future_object* of, sleeper& me, nanos until) {
  if (!here()) {
    translate([] { throw pool_forked(forked_text); });
    return false;
  }
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  bool ok = true, mine = false;
  of->here.join(me);
  lock l(lock_, std::defer_lock);
  while (ok) {
    settle_arrived();
    if (how_.break_on_death && broken_.empty() && port_ && how_.pool->deaths() > 0) fail_open("a worker process died");
    if (is_done(of) || of->late || me.rung.load() == 1 || (until != policy::never && monotonic_now() >= until)) break;
    l.lock();
    if (baton_ && !mine) {
      ok = look_on(l, me, until);
    } else {
      mine = baton_ = true;
      if (needs_gil_) feed(l, true);
      l.unlock();
      const platform::signal_hold hold;  // a signal between this look and the sleep ends the sleep
      ok = user_call(PyErr_CheckSignals) == 0;
      if (ok) {
        const without_gil others;
        l.lock();
        wait_with_baton(l, until);
        l.unlock();  // before the GIL comes back: who has it may want the lock
      }
    }
    if (l.owns_lock()) l.unlock();
    ok = ok && user_call(PyErr_CheckSignals) == 0;
  }
  of->here.leave(me);
  l.lock();
  if (!mine) {
    if (!baton_) pass_turn(l);  // it may have been our turn, which our own outcome has overtaken
  } else {
    lay_baton_down(l);
    touched_ = monotonic_now();
    if (dozing_ && (watched_ > 0 || backlog())) news_.ring();
  }
  return ok;
}

/// Another thread has the baton: it rings us when our future is settled, and when it goes.
bool process_tasks::look_on(lock& l, sleeper& me, nanos until) {
  onlookers_.push_back(&me);
  if (settler_has_it_) port_->kick();
  l.unlock();
  const bool ok = me.sleep(until);
  l.lock();
  std::erase(onlookers_, &me);
  std::uint32_t turn = 2;
  me.rung.compare_exchange_strong(turn, 0);
  return ok;
}

void process_tasks::look() {
  if (!here()) return;
  bool due = false;
  {
    const lock l(lock_);
    const std::uint64_t now = ticks();
    if (arrived_.empty() && refused_.empty()) {
      if (static_cast<double>(seconds_between(looked_, now)) < seconds_a_look) return;
      due = true;
    }
    looked_ = now;
  }
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  if (due && port_) fetch();
  settle_arrived();
}

void process_tasks::watch() {
  const lock l(lock_);
  ++watched_;
  if (dozing_) news_.ring();
}
void process_tasks::unwatch() {
  if (!here()) return;
  const lock l(lock_);
  --watched_;
}

// ---- the settler, and the end

/// The settler sleeps until something is rung for since `ticket` was drawn, or `until`.
void process_tasks::rest(lock& l, std::uint32_t ticket, nanos until) {
  l.unlock();
  news_.sleep(ticket, until);
  l.lock();
}

void process_tasks::settle(PyObject* start_teller) {
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);  // they are for threads that wait in Python
  PyThreadState* state = PyEval_SaveThread();
  lock l(lock_);
  while (!closed_ || open_ > 0) {
    const std::uint32_t ticket = news_.announce();  // the first word is rung for without lock_
    const bool told = watched_ > 0 || closed_ || needs_gil_, spoken = words_.wants_teller();
    if (spoken || (told && (!arrived_.empty() || !refused_.empty() || needs_gil_))) {
      l.unlock();
      come_back(state);
      settle_arrived();
      if (spoken) employ_teller(start_teller);
      l.lock();
      if (needs_gil_) feed(l, true);
      l.unlock();
      state = PyEval_SaveThread();
      l.lock();
      continue;
    }
    if (!told && !backlog()) {
      dozing_ = true;
      rest(l, ticket, policy::never);
      dozing_ = false;
      continue;
    }
    const nanos now = monotonic_now(), idle = baton_ ? 0 : now - touched_;
    if (baton_ || !onlookers_.empty() || (idle < grace && !closed_)) {
      rest(l, ticket, now + (baton_ || !onlookers_.empty() ? patience : grace - idle));
      continue;
    }
    baton_ = settler_has_it_ = true;
    wait_with_baton(l, policy::never);
    lay_baton_down(l);
  }
  const nanos limit = kill_grace_ >= 0 ? kill_grace_ : leave_grace;
  while (baton_) rest(l, news_.announce(), monotonic_now() + patience);  // somebody is on his way out
  l.unlock();
  how_.pool->close(limit);
  come_back(state);
  // Whoever keeps the executor keeps no descriptors.
  port_.reset();
  how_.pool.reset();
  // Nothing more is said: workers' last words were read at their end.
  if (words_.wants_teller()) tell_what_is_there();
  words_.end();
}

// ---- what tasks say

/// The first word has come: somebody must tell it. When the interpreter ends no thread can be started any more.
void process_tasks::employ_teller(PyObject* start) {
  if (!alone_ && ref::steal(user_call([&] { return PyObject_CallNoArgs(start); }))) return words_.employ();
  PyErr_Clear();
  alone_ = true;
  tell_what_is_there();
}

void process_tasks::tell_what_is_there() {
  engine::inbox said;
  if (words_.take(said)) said.tell(*this);
}

void process_tasks::tell() {
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  for (engine::inbox said;; said = engine::inbox()) {
    {
      const without_gil others;
      if (!words_.wait(said)) return;
    }
    said.tell(*this);
    if (!here()) return;  // a handler forked, and this is the child
  }
}

void process_tasks::heard(const engine::word& what) {
  const ref done = ref::steal(user_call([&] {
    return PyObject_CallFunction(
        how_.hear.get(), "iy#Ki", static_cast<int>(what.kind), reinterpret_cast<const char*>(what.text.data()),
        static_cast<Py_ssize_t>(what.text.size()), static_cast<unsigned long long>(what.item), what.worker);
  }));
  if (!done) PyErr_WriteUnraisable(how_.hear.get());
  ++told_;
}

std::size_t process_tasks::open() {
  const lock l(lock_);
  return open_;
}

void process_tasks::end(const char* why) {
  if (!here()) return;
  if (!closed_) closed_why_ = why;
  const lock l(lock_);
  closed_ = true;
  news_.ring();
  if (settler_has_it_ && port_) port_->kick();
}

void process_tasks::kill(nanos limit) {
  if (!here()) return;
  const std::shared_ptr<process_tasks> keep = shared_from_this();
  const std::shared_ptr<engine::pool> pool = how_.pool;
  if (!pool) return;
  port_->recall(false);
  kill_grace_ = limit;
  {
    const without_gil others;
    pool->close(limit);
  }
  if (!port_) return;
  fetch();
  settle_arrived();
}

}  // namespace centimane::python
