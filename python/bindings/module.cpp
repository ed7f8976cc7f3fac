// The extension module centimane._core: what Python may ask of the engine. Everything here runs once a call, not once
// an item (but Run.__next__, which is a raw slot). Private: its only user is the package around it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <vector>

#include "centimane/cpu_count.hpp"
#include "centimane/errors.hpp"
#include "centimane/this_task.hpp"
#include "checked.hpp"
#include "children.hpp"
#include "executors.hpp"
#include "hands.hpp"
#include "item_result.hpp"
#include "pickle_names.hpp"
#include "platform/cgroup.hpp"
#include "platform/fork_generation.hpp"
#include "platform/new_file.hpp"
#include "process/containment.hpp"
#include "process/worker.hpp"
#include "run.hpp"
#include "share_array.hpp"
#include "share_memory.hpp"
#include "share_queue.hpp"
#include "share_wait.hpp"
#include "share_waits.hpp"
#include "stream.hpp"
#include "ticks.hpp"
#include "weigh.hpp"
#include "worker_side.hpp"

namespace nb = nanobind;

namespace centimane::python {
namespace {

std::span<const std::byte> view(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.c_str()), b.size()};
}

nanos from_seconds(double seconds) {
  constexpr double longest = 9e9;  // 285 years: no limit
  return seconds >= longest ? policy::never : static_cast<nanos>(seconds * 1e9);
}
/// Less than 0: none.
nanos limit_of(double seconds) { return seconds < 0 ? policy::never : from_seconds(seconds); }

/// Bytes objects: paths and variables need not be text.
std::vector<std::string> strings(const nb::list& all) {
  std::vector<std::string> made;
  for (nb::handle one : all) {
    auto bytes = nb::cast<nb::bytes>(one);
    made.emplace_back(bytes.c_str(), bytes.size());
  }
  return made;
}

// ---- Pool

class pool_handle {
 public:
  pool_handle(std::uint32_t workers, std::uint64_t max_tasks, double idle_after, const nb::bytes& set_up,
              const nb::list& argument_bytes, const nb::list& environment_bytes, bool inherit) {
    std::vector<std::string> arguments = strings(argument_bytes), environment = strings(environment_bytes);
    engine::pool_rules rules;
    rules.workers = workers;
    rules.max_tasks = max_tasks;
    rules.idle_after = from_seconds(idle_after);
    rules.set_up.assign(view(set_up).begin(), view(set_up).end());
    rules.log = [](const std::string& line) {
      std::string text = "centimane: " + line + "\n";
      std::fwrite(text.data(), 1, text.size(), stderr);
    };
    const bool fork_here = arguments.empty();
    if (fork_here) {
      rules.make_zygote = [inherit] {
        // Only the thread that opened the pool may copy this process; the engine's own cannot.
        if (hand_state != nullptr || PyGILState_Check() == 0)
          throw start_failed("the process that forks workers was lost; with start=\"fork\" it cannot be made again");
        engine::zygote_hooks hooks = python_hooks();
        hooks.inherit = inherit;
        return engine::zygote::fork_here(hooks);
      };
    } else {
      rules.make_zygote = [arguments = std::move(arguments), environment = std::move(environment)] {
        std::vector<char*> argv, envp;
        for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
        for (const auto& e : environment) envp.push_back(const_cast<char*>(e.c_str()));
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        return engine::zygote::spawn(arguments.front().c_str(), argv.data(), envp.data());
      };
    }
    checked([&] {
      if (fork_here) {
        pool_ = engine::pool::open(std::move(rules));
      } else {
        without_gil others;
        pool_ = engine::pool::open(std::move(rules));
      }
    });
  }
  pool_handle(const pool_handle&) = delete;
  pool_handle& operator=(const pool_handle&) = delete;
  ~pool_handle() {
    without_gil others;
    pool_.reset();
  }
  void close(double grace) {
    checked([&] {
      if (!pool_ || !pool_->usable()) return;
      without_gil others;
      pool_->close(from_seconds(grace));
    });
  }
  void prepare() {
    checked([&] { pool_->prepare(); });
  }
  std::size_t signal(int number, bool busy_only) { return pool_->signal(number, busy_only); }
  bool signal_worker(long pid, int number) { return pool_->signal_worker(static_cast<pid_t>(pid), number); }
  [[nodiscard]] bool usable() const noexcept { return pool_->usable(); }
  [[nodiscard]] std::uint64_t leases() const { return pool_->usable() ? pool_->leases() : 0; }
  [[nodiscard]] nb::list status() const {
    nb::list all;
    for (const auto& w : pool_->status()) all.append(nb::make_tuple(w.index, w.pid, w.state, w.done));
    return all;
  }
  [[nodiscard]] const std::shared_ptr<engine::pool>& get() const noexcept { return pool_; }

 private:
  std::shared_ptr<engine::pool> pool_;
};

nb::object names_in(const nb::bytes& pickle) {
  main_names_in found;
  if (!found.read(view(pickle))) return nb::none();
  nb::list all;
  for (const std::string_view name : found.names()) all.append(nb::str(name.data(), name.size()));
  return all;
}

// ---- policies

class limiter_handle {
 public:
  /// shared: the path of a file, in the file system's own bytes; empty: none.
  limiter_handle(nanos between, std::uint64_t burst, const nb::bytes& shared) {
    checked([&] {
      if (shared.size() == 0) {
        limiter = std::make_shared<engine::budget>(between, burst);
        return;
      }
      const std::string path(shared.c_str(), shared.size());
      without_gil others;
      limiter = std::make_shared<engine::budget>(between, burst, path);
    });
  }
  [[nodiscard]] double take() const { return static_cast<double>(limiter->take()) / 1e9; }
  void pause(double seconds) const { limiter->pause(from_seconds(seconds)); }
  std::shared_ptr<engine::budget> limiter;
};

class flag_handle {
 public:
  void stop() const { flag->set(); }
  [[nodiscard]] bool stopped() const noexcept { return flag->is_set(); }
  const std::shared_ptr<stop_flag> flag = std::make_shared<stop_flag>();
};

/// max_errors 0: no limit.
void make_policies(run_policies* at, std::uint32_t attempts, double backoff, double max_delay, double max_server_wait,
                   bool jitter, const nb::object& judge, std::uint64_t max_errors, const limiter_handle* limiter,
                   const flag_handle* stop) {
  auto* made = new (at) run_policies;
  made->attempts = attempts;
  made->backoff = from_seconds(backoff);
  made->max_delay = from_seconds(max_delay);
  made->max_server_wait = from_seconds(max_server_wait);
  made->jitter = jitter;
  if (max_errors != 0) made->max_errors = max_errors;
  if (limiter != nullptr) made->limiter = limiter->limiter;
  if (stop != nullptr) made->stop = stop->flag;
  made->judge = ref::unless_none(judge.ptr());
}

// ---- Run

class run_handle {
 public:
  run_handle(nb::object function, nb::object items, bool star, std::uint64_t chunk, bool stream, bool ordered,
             std::uint64_t window, std::uint64_t window_bytes, double timeout, nb::object on_result,
             nb::object on_progress, nb::object on_bar, nb::object initializer, nb::object trouble, nb::object rebuild,
             nb::object rescue, nb::object main_names, nb::object refusal, nb::object ask, long long length_hint,
             bool insights, const nb::bytes& trace, nb::object on_event, nb::object on_word,
             const run_policies& policies, nb::object admit, nb::object keep, nb::object waiting, nb::object keys) {
    checked([&] {
      job_options o;
      o.function = ref::borrow(function.ptr());
      o.star = star;
      o.chunk = chunk;
      o.stream = stream;
      o.window_bytes = window_bytes;
      o.deadline = timeout < 0 ? policy::never : policy::later(monotonic_now(), from_seconds(timeout));
      o.on_result = ref::unless_none(on_result.ptr());
      o.on_progress = ref::unless_none(on_progress.ptr());
      o.on_bar = ref::unless_none(on_bar.ptr());
      o.initializer = ref::unless_none(initializer.ptr());
      o.trouble = ref::borrow(trouble.ptr());
      o.rebuild = ref::borrow(rebuild.ptr());
      o.rescue = ref::unless_none(rescue.ptr());
      if (!main_names.is_none()) {
        const nb::dict told = nb::cast<nb::dict>(main_names.attr("told")),
                       here = nb::cast<nb::dict>(main_names.attr("here"));
        o.met_main = ref::borrow(nb::object(main_names.attr("met")).ptr());
        o.told = ref::borrow(told.ptr());
        o.main = ref::borrow(here.ptr());
      }
      o.refusal = ref::borrow(refusal.ptr());
      o.ask = ref::unless_none(ask.ptr());
      o.length_hint = length_hint;
      o.insights = insights;
      o.trace.assign(trace.c_str(), trace.size());
      o.on_event = ref::unless_none(on_event.ptr());
      o.on_word = ref::unless_none(on_word.ptr());
      o.policies = policies;
      o.admit = ref::unless_none(admit.ptr());
      o.keep = ref::unless_none(keep.ptr());
      o.waiting = ref::unless_none(waiting.ptr());
      o.keys = ref::unless_none(keys.ptr());
      run_ = std::make_shared<run>(std::move(o), items.ptr(), window, ordered);
    });
  }
  run_handle(const run_handle&) = delete;
  run_handle& operator=(const run_handle&) = delete;
  ~run_handle() {
    if (run_) run_->close();
  }
  void on_this_thread(double task_timeout) {
    checked([&] { run_->on_this_thread(limit_of(task_timeout)); });
  }
  void on_threads(std::uint32_t workers, double task_timeout) {
    checked([&] { run_->on_threads(workers, limit_of(task_timeout)); });
  }
  void on_processes(const pool_handle& pool, const nb::bytes& function, const nb::bytes& state, bool keep,
                    double task_timeout) {
    checked([&] { run_->on_processes(pool.get(), view(function), view(state), keep, limit_of(task_timeout)); });
  }
  int finish() {
    return checked([&] { return static_cast<int>(run_->finish()); });
  }
  nb::object collect(nb::handle not_run) {
    PyObject* all = run_->collect(not_run.ptr());
    if (all == nullptr) throw nb::python_error();
    return nb::steal(all);
  }
  [[nodiscard]] nb::object insights() const {
    PyObject* all = run_->insights();
    if (all == nullptr) throw nb::python_error();
    return nb::steal(all);
  }
  void close() {
    checked([&] { run_->close(); });
  }
  void on_loop(std::uint64_t slots, double task_timeout, nb::handle spawn, nb::handle cancel) {
    checked([&] { run_->on_loop(slots, limit_of(task_timeout), spawn.ptr(), cancel.ptr()); });
  }
  int bell() {
    return checked([&] { return run_->bell(); });
  }
  void hush() { run_->hush(); }
  double turn() {
    return checked([&] { return run_->turn(); });
  }
  nb::object take() {
    PyObject* one = checked([&] { return run_->take(); });
    if (one == nullptr && PyErr_Occurred() != nullptr) throw nb::python_error();
    return one == nullptr ? nb::none() : nb::steal(one);
  }
  void arrived(const nb::list& items, bool ended, nb::handle error) {
    checked([&] { run_->arrived(items.ptr(), ended, error.ptr()); });
  }
  void attempt_ended(std::uint64_t item, int how, nb::handle what) {
    checked([&] { run_->attempt_ended(item, how, what.ptr()); });
  }
  void leave_loop(bool kill) {
    checked([&] { run_->leave_loop(kill); });
  }
  [[nodiscard]] int status() const noexcept { return static_cast<int>(run_->status()); }
  [[nodiscard]] run& get() const noexcept { return *run_; }

 private:
  std::shared_ptr<run> run_;
};

PyObject* run_next(PyObject* self) {
  try {
    return nb::inst_ptr<run_handle>(self)->get().next();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyType_Slot run_slots[] = {{Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                           {Py_tp_iternext, reinterpret_cast<void*>(run_next)},
                           {0, nullptr}};

// ---- for tests: a value there and back

nb::bytes encode(nb::handle value, nb::handle rescue) {
  writer out;
  pickling how;
  if (!rescue.is_none()) how.rescue = rescue.ptr();
  if (!encode_value(value.ptr(), out, how)) throw nb::python_error();
  return nb::bytes(reinterpret_cast<const char*>(out.data()), out.size());
}

nb::object decode(const nb::bytes& record) {
  PyObject* value = decode_value(reader(view(record)));
  if (value == nullptr) throw nb::python_error();
  return nb::steal(value);
}

}  // namespace

std::shared_ptr<engine::pool> pool_of(PyObject* handle) { return nb::cast<pool_handle&>(nb::handle(handle)).get(); }

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);  // a run that was left to its hands ends with the process
  if (!prepare_codec()) throw nb::python_error();
  (void)seconds_per_tick();

  nb::class_<pool_handle>(m, "Pool")
      .def(nb::init<std::uint32_t, std::uint64_t, double, const nb::bytes&, const nb::list&, const nb::list&, bool>(),
           nb::kw_only(), nb::arg("workers"), nb::arg("max_tasks"), nb::arg("idle_after"), nb::arg("set_up"),
           nb::arg("arguments"), nb::arg("environment"), nb::arg("inherit"))
      .def("close", &pool_handle::close, nb::arg("grace"))
      .def("prepare", &pool_handle::prepare)
      .def("signal", &pool_handle::signal, nb::arg("number"), nb::kw_only(), nb::arg("busy_only"))
      .def("signal_worker", &pool_handle::signal_worker, nb::arg("pid"), nb::arg("number"))
      .def_prop_ro("usable", &pool_handle::usable)
      .def_prop_ro("leases", &pool_handle::leases)
      .def("status", &pool_handle::status);

  nb::class_<limiter_handle>(m, "Limiter")
      .def(nb::init<nanos, std::uint64_t, const nb::bytes&>(), nb::kw_only(), nb::arg("between"), nb::arg("burst"),
           nb::arg("shared"))
      .def("take", &limiter_handle::take)
      .def("pause", &limiter_handle::pause, nb::arg("seconds"));
  nb::class_<flag_handle>(m, "StopFlag")
      .def(nb::init<>())
      .def("stop", &flag_handle::stop)
      .def_prop_ro("stopped", &flag_handle::stopped);
  nb::class_<run_policies>(m, "Policies")
      .def("__init__", &make_policies, nb::kw_only(), nb::arg("attempts"), nb::arg("backoff"), nb::arg("max_delay"),
           nb::arg("max_server_wait"), nb::arg("jitter"), nb::arg("judge").none(), nb::arg("max_errors"),
           nb::arg("limiter").none(), nb::arg("stop").none());

  nb::class_<run_handle>(m, "Run", nb::type_slots(run_slots))
      .def(nb::init<nb::object, nb::object, bool, std::uint64_t, bool, bool, std::uint64_t, std::uint64_t, double,
                    nb::object, nb::object, nb::object, nb::object, nb::object, nb::object, nb::object, nb::object,
                    nb::object, nb::object, long long, bool, const nb::bytes&, nb::object, nb::object,
                    const run_policies&, nb::object, nb::object, nb::object, nb::object>(),
           nb::kw_only(), nb::arg("function"), nb::arg("items").none(), nb::arg("star"), nb::arg("chunk"),
           nb::arg("stream"), nb::arg("ordered"), nb::arg("window"), nb::arg("window_bytes"), nb::arg("timeout"),
           nb::arg("on_result").none(), nb::arg("on_progress").none(), nb::arg("on_bar").none(),
           nb::arg("initializer").none(), nb::arg("trouble"), nb::arg("rebuild"), nb::arg("rescue").none(),
           nb::arg("main_names").none(), nb::arg("refusal"), nb::arg("ask").none(), nb::arg("length_hint"),
           nb::arg("insights"), nb::arg("trace"), nb::arg("on_event").none(), nb::arg("on_word").none(),
           nb::arg("policies"), nb::arg("admit").none() = nb::none(), nb::arg("keep").none() = nb::none(),
           nb::arg("waiting").none() = nb::none(), nb::arg("keys").none() = nb::none())
      .def("on_this_thread", &run_handle::on_this_thread, nb::arg("task_timeout"))
      .def("on_threads", &run_handle::on_threads, nb::arg("workers"), nb::arg("task_timeout"))
      .def("on_processes", &run_handle::on_processes, nb::kw_only(), nb::arg("pool"), nb::arg("function"),
           nb::arg("state"), nb::arg("keep"), nb::arg("task_timeout"))
      .def("finish", &run_handle::finish)
      .def("collect", &run_handle::collect, nb::arg("not_run"))
      .def("insights", &run_handle::insights)
      .def("trace_trouble", [](const run_handle& r) { return r.get().trace_trouble(); })
      .def("close", &run_handle::close)
      .def("on_loop", &run_handle::on_loop, nb::kw_only(), nb::arg("slots"), nb::arg("task_timeout"), nb::arg("spawn"),
           nb::arg("cancel"))
      .def("bell", &run_handle::bell)
      .def("hush", &run_handle::hush)
      .def("turn", &run_handle::turn)
      .def("take", &run_handle::take)
      .def("arrived", &run_handle::arrived, nb::arg("items"), nb::arg("ended"), nb::arg("error").none())
      .def("attempt_ended", &run_handle::attempt_ended, nb::arg("index"), nb::arg("how"), nb::arg("what").none())
      .def("leave_loop", &run_handle::leave_loop, nb::arg("kill"))
      .def_prop_ro("status", &run_handle::status);

  PyObject* stream = make_stream_type();
  if (stream == nullptr) throw nb::python_error();
  m.attr("Stream") = nb::steal(stream);

  m.def("set_item_result", [](nb::handle type) {
    if (!prepare_item_result(type.ptr())) throw nb::python_error();
  });
  m.def("set_threads", [](nb::handle start, nb::handle stack_of) { set_threads(start.ptr(), stack_of.ptr()); });
  m.def("stop_requested", [] { return this_task::stop_requested(); });
  m.def(
      "live_as_hand", [](double idle) { live_as_hand(idle); }, nb::arg("idle_seconds"));
  m.def(
      "dismiss_hands", [](double patience) { return dismiss_hands(patience); }, nb::arg("patience_seconds"));
  m.def("forget_hands", [] { forget_hands(); });
  m.def("fork_generation", [] { return platform::fork_generation(); });

  m.def("expect_writable", [](const nb::bytes& path) {
    checked([&] { platform::new_file refused_or_dropped(std::string(path.c_str(), path.size())); });
  });
  m.def("cpu_count", [] { return centimane::cpu_count(); });
  m.def("group_killed_whole", [] { return centimane::platform::group_killed_whole(); });
  m.def("serve_zygote", [](int socket, long driver, nb::object warm_up) {
    checked([&] { serve_zygote_here(socket, driver, warm_up.ptr()); });
  });
  m.def("contain_processes", [] { checked([] { engine::contain_processes(); }); });
  m.def("crash_text", [] { return engine::crash_text(); });
  m.def("soft_stop_due", [] { return engine::soft_stop_due(); });
  m.def("may_tell", [] { return engine::may_tell(); });
  m.def("tell", [](int kind, const nb::bytes& text) {
    const auto what = view(text);
    const auto as = static_cast<std::uint8_t>(kind);
    if (engine::tell_driver(as, what, false)) return true;
    without_gil others;
    return engine::tell_driver(as, what, true);
  });
  m.attr("LONGEST_WORD") = engine::longest_word;
  m.def("text_waits", [] { text_waits(); });
  m.def("stack_signal", [] { return engine::stack_signal(); });
  m.def("stop_signal", [] { return engine::stop_signal(); });
  m.def("face_writes_stacks", [] { engine::face_writes_stacks(); });

  add_children(m);
  if (!add_executors(m.ptr()) || !add_shared_queue(m.ptr())) throw nb::python_error();
  if (!add_shared_block(m.ptr())) throw nb::python_error();
  add_named_memory(m);
  if (!add_shared_lock(m.ptr()) || !add_shared_bytes(m.ptr())) throw nb::python_error();
  add_shared_waits(m);

  m.def("encode", &encode, nb::arg("value").none(), nb::arg("rescue").none() = nb::none());
  m.def("decode", &decode);
  m.def(
      "weight_of", [](nb::handle item) { return weight_of(item.ptr()); }, nb::arg("item").none());
  m.def("main_names_in", &names_in);
}

}  // namespace centimane::python
