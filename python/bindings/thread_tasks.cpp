// See thread_tasks.hpp.
#include "thread_tasks.hpp"

#include "process_tasks.hpp"

namespace centimane::python {

PyObject* thread_tasks::submit(PyObject* function, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  if (!here()) {
    translate([] { throw pool_forked("this executor belongs to the process that made it, not to its fork"); });
    return nullptr;
  }
  if (!broken_.empty()) {
    if (ref error = ref::steal(PyObject_CallFunction(broken_error_.get(), "s", broken_.c_str())))
      put_error_back(std::move(error));
    return nullptr;
  }
  if (closed_) {
    PyErr_SetString(PyExc_RuntimeError, closed_why_.c_str());
    return nullptr;
  }
  const std::shared_ptr<thread_tasks> keep = shared_from_this();
  const Py_ssize_t all = n + (names == nullptr ? 0 : PyTuple_GET_SIZE(names));
  ref future = ref::steal(reinterpret_cast<PyObject*>(new_future())), arguments = ref::steal(PyTuple_New(all));
  if (!future || !arguments) return nullptr;
  for (Py_ssize_t i = 0; i < all; ++i) PyTuple_SET_ITEM(arguments.get(), i, ref::borrow(args[i]).release());
  future_object* f = reinterpret_cast<future_object*>(future.get());
  f->home = keep;
  queue_.push_back(
      {future, ref::borrow(function), std::move(arguments), names == nullptr ? ref() : ref::borrow(names)});
  if (idle_ > 0) {
    --idle_;
    beds_.ring_unrung();
  } else if (threads_ < most_ && start_) {
    ++threads_;
    const ref start = start_, started = ref::steal(user_call([&] { return PyObject_CallNoArgs(start.get()); }));
    if (!started) {
      --threads_;
      if (threads_ == 0 || PyErr_ExceptionMatches(PyExc_RuntimeError) == 0) {
        if (!queue_.empty() && queue_.back().future.get() == future.get()) queue_.pop_back();
        return nullptr;
      }
      PyErr_Clear();  // those there will come to it
    }
  }
  return future.release();
}

bool thread_tasks::prepare() {
  const std::shared_ptr<thread_tasks> keep = shared_from_this();
  while (threads_ < most_ && !closed_) {
    ++threads_;
    const ref start = start_;
    if (!ref::steal(user_call([&] { return PyObject_CallNoArgs(start.get()); }))) return --threads_, false;
  }
  return true;
}

void thread_tasks::work() {
  const std::shared_ptr<thread_tasks> keep = shared_from_this();
  if (initializer_) {
    if (!ref::steal(user_call([&] { return PyObject_CallNoArgs(initializer_.get()); }))) {
      const ref error = take_error();
      static_cast<void>(ref::steal(PyObject_CallOneArg(init_failed_.get(), error.get())));
      PyErr_Clear();
      return break_down("A thread initializer failed, the thread pool is not usable anymore");
    }
  }
  while (broken_.empty()) {
    if (!queue_.empty()) {
      task next = std::move(queue_.front());
      queue_.pop_front();
      run(std::move(next));
      continue;
    }
    if (closed_) break;
    sleeper me;
    beds_.join(me);
    ++idle_;
    while (me.rung.load() == 0) {
      const without_gil others;
      me.wait_without_gil();
    }
    beds_.leave(me);
  }
}

void thread_tasks::run(task t) {
  future_object* f = reinterpret_cast<future_object*>(t.future.get());
  if (f->state == future_state::cancelled || is_done(f)) return;
  f->state = future_state::running;
  ref value = ref::steal(user_call([&] {
    const Py_ssize_t named = t.names ? PyTuple_GET_SIZE(t.names.get()) : 0;
    PyObject* const* arguments = &PyTuple_GET_ITEM(t.arguments.get(), 0);
    return PyObject_Vectorcall(t.function.get(), arguments,
                               static_cast<std::size_t>(PyTuple_GET_SIZE(t.arguments.get()) - named), t.names.get());
  }));
  ref error;
  if (!value) error = take_error();
  t.function = t.arguments = t.names = ref();
  if (value) {
    settle_with_result(f, std::move(value));
  } else {
    settle_with_exception(f, std::move(error));
  }
}

void thread_tasks::end(const char* why) {
  if (!here()) return;
  if (!closed_) closed_why_ = why;
  closed_ = true;
  idle_ = 0;
  beds_.ring_all();
  start_ = ref();  // it knows the threads, and they know these tasks: a ring that nobody could collect
}

void thread_tasks::cancel_waiting() {
  std::deque<task> all;
  all.swap(queue_);
  for (const task& t : all) settle_cancelled(reinterpret_cast<future_object*>(t.future.get()));
}

void thread_tasks::break_down(const std::string& why) {
  if (broken_.empty()) broken_ = why;
  std::deque<task> all;
  all.swap(queue_);
  for (const task& t : all) {
    ref error = ref::steal(PyObject_CallFunction(broken_error_.get(), "s", broken_.c_str()));
    if (!error) error = take_error();
    settle_with_exception(reinterpret_cast<future_object*>(t.future.get()), std::move(error));
  }
  idle_ = 0;
  beds_.ring_all();
}

bool thread_tasks::attend(future_object* of, sleeper& me, nanos until) {
  if (!here()) {
    translate([] { throw pool_forked("this future belongs to the process that submitted its task, not to its fork"); });
    return false;
  }
  of->here.join(me);
  const bool ok = me.sleep(until);
  of->here.leave(me);
  return ok;
}

/// What a thread has not begun never begins. Its place in the queue goes when a thread comes to it.
void thread_tasks::cancel(future_object* f) {
  if (f->state == future_state::pending) settle_cancelled(f);
}

}  // namespace centimane::python
