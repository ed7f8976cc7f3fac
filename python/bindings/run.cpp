// See run.hpp.
#include "run.hpp"

#include <cerrno>
#include <system_error>

#include "centimane/errors.hpp"
#include "hands.hpp"
#include "platform/fork_generation.hpp"
#include "thread/crew.hpp"
#include "ticks.hpp"
#include "watching.hpp"

namespace centimane::python {
namespace {

std::span<const std::byte> bytes_of(PyObject* bytes) {
  return {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(bytes)),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

void set_error(const char* name, const char* what) noexcept {
  ref errors = ref::steal(PyImport_ImportModule("centimane._errors"));
  ref type = errors ? ref::steal(PyObject_GetAttrString(errors.get(), name)) : ref();
  if (type) PyErr_SetString(type.get(), what);
}

}  // namespace

void translate_exception() noexcept {
  try {
    throw;
  } catch (const raised&) {
  } catch (const forked&) {
    set_error("PoolForked", "this run belongs to the process that began it, not to its fork: begin a new one here");
  } catch (const abandoned&) {
    PyErr_SetString(PyExc_RuntimeError, "the run was left");
  } catch (const pool_forked& e) {
    set_error("PoolForked", e.what());
  } catch (const pool_closed& e) {
    set_error("PoolClosed", e.what());
  } catch (const start_failed& e) {
    set_error("StartFailed", e.what());
  } catch (const resource_limit& e) {
    set_error("ResourceLimit", e.what());
  } catch (const owner_died& e) {
    set_error("OwnerDied", e.what());
  } catch (const payload_error& e) {
    set_error("PayloadError", e.what());
  } catch (const error& e) {
    set_error("Error", e.what());
  } catch (const std::invalid_argument& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const std::system_error& e) {
    const int code = e.code().value();
    if (code == EMFILE || code == ENFILE || code == EAGAIN || code == ENOMEM || code == ENOSPC) {
      return set_error("ResourceLimit", e.what());
    }
    ref arguments = ref::steal(Py_BuildValue("(is)", e.code().value(), e.what()));
    if (arguments) PyErr_SetObject(PyExc_OSError, arguments.get());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

run::run(job_options options, PyObject* items, index window, bool ordered) : job_(std::move(options)), window_(window) {
  rules_.stream = job_.stream();
  if (!job_.open(items)) throw raised{};
  rules_.total = job_.total_tasks();
  rules_.ordered = ordered;
  rules_.deadline = job_.deadline();
  if (job_.window_bytes() != 0) rules_.window_bytes = job_.window_bytes();
  job_.policies().apply(rules_);
  if (auto wishes = job_.watchers()) eyes_.emplace(std::move(*wishes));
}

void run::begin(where executor, std::uint64_t function_id, index workers) {
  job_.place(executor, function_id);
  rules_.window = std::max<index>(1, (window_of(workers) + job_.chunk() - 1) / job_.chunk());
  job_.cut_off = [this] {
    if (driver_) driver_->stop(true);
  };
  driver_ = std::make_unique<engine::driver>(job_, *port_, rules_, job_.records() ? &job_ : nullptr,
                                             eyes_ ? &*eyes_ : nullptr);
  if (executor == where::processes) driver_->listen([this](const engine::word& what) { return job_.heard(what); });
  if (job_.policies().stopped()) driver_->stop();
}

/// In items. An input that is looked up by index costs nothing to admit; of any other, and of a stream's outcomes, no
/// more is held than keeps the workers busy.
index run::window_of(index workers) const {
  if (window_ != 0) return window_;
  if (tasks_ != nullptr) return rules_.total && !rules_.stream ? index{1} << 40 : 2 * workers;
  if (rules_.stream) return std::max<index>(1024, 64 * workers);
  return rules_.total ? index{1} << 40 : std::max<index>(4096, 256 * workers);
}

void run::on_this_thread(nanos task_timeout) {
  auto solo = std::make_unique<engine::solo>(job_);
  solo->limit(task_timeout);
  port_ = std::move(solo);
  begin(where::here, 0, 1);
}

void run::on_threads(std::uint32_t workers, nanos task_timeout) {
  auto passes = std::make_shared<std::optional<engine::hand>>();
  // A token is spent at a start, not in a queue; a value is recorded when it is there, not with its neighbours.
  const bool each_alone = rules_.limit != nullptr || job_.records() || task_timeout != policy::never;
  if (job_.has_initializer()) circle_ = make_circle(workers);
  auto crew = std::make_unique<engine::crew>(job_, workers, each_alone,
                                             [me = weak_from_this(), passes, among = circle_](std::uint32_t n) {
                                               hire(n, {me, **passes, among});
                                             });
  crew->limit(task_timeout);
  passes->emplace(crew->pass());
  if (rules_.limit != nullptr) crew->draw_from(*rules_.limit, rules_.draw_patience);
  port_ = std::move(crew);
  begin(where::threads, 0, workers);
}

void run::on_processes(std::shared_ptr<engine::pool> pool, std::span<const std::byte> function,
                       std::span<const std::byte> state, bool keep, nanos task_timeout) {
  const index workers = pool->workers();
  auto port = std::make_unique<engine::process_port>(std::move(pool), job_, task_timeout);
  if (rules_.limit != nullptr) {
    port->depth(1);
  } else if (job_.records()) {
    port->depth(2);  // workers that run far ahead of what is recorded would lose it with the driver
  }
  processes_ = port.get();
  port_ = std::move(port);
  if (!state.empty()) define(state);
  std::uint64_t id = processes_->define(function, keep);
  job_.define = [this](PyObject* bytes) { define(bytes_of(bytes)); };
  begin(where::processes, id, workers);
}

void run::define(std::span<const std::byte> blob) {
  if (processes_ != nullptr) processes_->define(blob);
}

policy::status run::finish() {
  return driving([&] {
    try {
      status_ = driver_->finish();
      leave(false);
    } catch (const abandoned&) {
      status_ = job_.timed_out() ? policy::status::timed_out : policy::status::stopped;
      leave(true);
    }
    conclude();
    return status_;
  });
}

/// At the run's end: throws on what ended it, if anything has.
void run::conclude() {
  if (!job_.error()) job_.last_progress();
  if (job_.error()) {
    put_error_back(job_.error());
    throw raised{};
  }
  job_.raise_source_error();
  if (rules_.stream && status_ == policy::status::timed_out) {
    set_error("TimedOut", "the stream's timeout has passed before all items had their outcome");
    throw raised{};
  }
}

/// Lets go of the executor. abandon: hands may still be at work; the last of them takes the rest down.
void run::leave(bool abandon) {
  if (driver_ && !finished_) {
    driver_->left(status_ == policy::status::completed ? policy::status::stopped : status_);
    last_ = driver_->look();
  }
  finished_ = true;
  job_.close();
  if (circle_) disband(circle_);
  job_.define = {};
  if (port_ == nullptr) return;
  if (abandon && processes_ == nullptr && tasks_ == nullptr) {
    port_->recall(true);
    return;
  }
  driver_.reset();
  processes_ = nullptr;
  tasks_ = nullptr;
  port_.reset();  // may wait for a hand that is on its way out: through job::idle, which then only sleeps
}

PyObject* run::collect(PyObject* not_run) {
  const std::uint64_t n = job_.result_items();
  ref values = ref::steal(PyList_New(static_cast<Py_ssize_t>(n)));
  ref errors = ref::steal(PyDict_New());
  ref seconds = ref::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(n * sizeof(float))));
  if (!values || !errors || !seconds) return nullptr;
  float* second = reinterpret_cast<float*>(PyBytes_AS_STRING(seconds.get()));
  const bool whole = job_.outcomes.take_all(n, [&](std::uint64_t i, const shelf::outcome& o) {
    second[i] = o.what != nullptr ? o.seconds : -1.0F;
    const bool value = o.what != nullptr && o.ok;
    PyList_SET_ITEM(values.get(), static_cast<Py_ssize_t>(i), value ? o.what : ref::borrow(Py_None).release());
    if (value) return true;
    const ref error = ref::steal(o.what), key = ref::steal(PyLong_FromUnsignedLongLong(i));
    return key && PyDict_SetItem(errors.get(), key.get(), error ? error.get() : not_run) == 0;
  });
  const ref attempts = whole ? job_.attempts() : ref();
  return attempts ? PyTuple_Pack(4, values.get(), errors.get(), seconds.get(), attempts.get()) : nullptr;
}

/// The next item of those that are being handed out. False: there is none. result is null if the error indicator is
/// set.
bool run::hand_out(PyObject*& result) {
  while (present_.count > 0) {
    const std::uint64_t i = next_item_++;
    shelf::outcome o = job_.outcomes.take(i);
    ref what = ref::steal(o.what);
    if (next_item_ >= std::min((present_.first + 1) * job_.chunk(), job_.known_items())) {
      const index task = present_.first++;
      --present_.count;
      if (!finished_) driver_->consumed(1, job_.take_weight(task));
    }
    if (!what) continue;
    result = job_.item_result(i, o);
    job_.forget(i);
    return true;
  }
  return false;
}

PyObject* run::insights() const {
  centimane::insights now = finished_ || driver_ == nullptr ? last_ : driver_->look();
  now.items = static_cast<std::size_t>(job_.done());
  if (job_.chunk() > 1) now.failed = static_cast<std::size_t>(job_.failed_in_chunks());
  return as_tuple(now);
}

PyObject* run::next() {
  return driving([&]() -> PyObject* {
    for (;;) {
      PyObject* result = nullptr;
      if (hand_out(result)) return result;
      if (finished_) return nullptr;
      try {
        present_ = driver_->next();
        next_item_ = present_.first * job_.chunk();
        if (present_.count > 0) continue;
        status_ = driver_->status();
        leave(false);
      } catch (const abandoned&) {
        status_ = job_.timed_out() ? policy::status::timed_out : policy::status::stopped;
        leave(true);
      }
      conclude();
      return nullptr;
    }
  });
}

void run::disown() noexcept {
  (void)driver_.release();
  (void)port_.release();
  finished_ = true;
}

void run::close() {
  if (busy_ || finished_) return;
  if (driver_ != nullptr && !job_.here()) return disown();
  present_ = {};
  leave(true);
}

/// On a hand's thread, if a run was abandoned: the last one there takes it down.
run::~run() {
  if (driver_ != nullptr && !job_.here()) {
    disown();
  } else if (circle_) {
    disband(circle_);
  }
  silence();
  job_.close();
  driver_.reset();
  port_.reset();
}

}  // namespace centimane::python
