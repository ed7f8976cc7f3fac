// See executors.hpp: what runs once an executor, not once a task.
#include "executors.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "checked.hpp"
#include "executor_types.hpp"
#include "future.hpp"

namespace nb = nanobind;

namespace centimane::python {
namespace {

ref borrowed(const nb::object& o) { return ref::unless_none(o.ptr()); }

nanos nanos_of(double seconds) { return seconds >= 9e9 ? policy::never : static_cast<nanos>(seconds * 1e9); }

class process_tasks_handle {
 public:
  process_tasks_handle(const nb::object& pool, bool break_on_death, const nb::object& trouble,
                       const nb::object& rebuild, const nb::object& broken, const nb::object& unsendable,
                       const nb::object& ship, const nb::object& rescue, const nb::object& hear,
                       const nb::object& main_names) {
    checked([&] {
      process_tasks_options o;
      o.pool = pool_of(pool.ptr());
      o.break_on_death = break_on_death;
      o.trouble = borrowed(trouble);
      o.rebuild = borrowed(rebuild);
      o.broken = borrowed(broken);
      o.unsendable = borrowed(unsendable);
      o.ship = borrowed(ship);
      o.rescue = borrowed(rescue);
      o.hear = borrowed(hear);
      if (!main_names.is_none()) {
        const nb::dict told = nb::cast<nb::dict>(main_names.attr("told")),
                       here = nb::cast<nb::dict>(main_names.attr("here"));
        o.met_main = ref::borrow(nb::object(main_names.attr("met")).ptr());
        o.told = ref::borrow(told.ptr());
        o.main = ref::borrow(here.ptr());
      }
      tasks_ = std::make_shared<process_tasks>(std::move(o));
    });
  }
  void attach_to(const nb::object& executor) {
    checked([&] { attach(executor.ptr(), tasks_); });
  }
  void settle(const nb::object& start_teller) const {
    checked([&] { tasks_->settle(start_teller.ptr()); });
  }
  void tell() const {
    checked([&] { tasks_->tell(); });
  }
  [[nodiscard]] std::uint64_t told() const { return tasks_->told(); }
  void end(const std::string& why) const { tasks_->end(why.c_str()); }
  void cancel_waiting() const {
    checked([&] { tasks_->cancel_waiting(); });
  }
  void kill(double grace) const {
    checked([&] { tasks_->kill(nanos_of(grace)); });
  }
  [[nodiscard]] std::size_t open() const { return tasks_->open(); }
  [[nodiscard]] const std::string& broken() const { return tasks_->broken(); }

 private:
  std::shared_ptr<process_tasks> tasks_;
};

class thread_tasks_handle {
 public:
  thread_tasks_handle(std::size_t most, const nb::object& start, const nb::object& initializer,
                      const nb::object& init_failed, const nb::object& broken)
      : tasks_(std::make_shared<thread_tasks>(most, borrowed(start), borrowed(initializer), borrowed(init_failed),
                                              borrowed(broken))) {}
  void attach_to(const nb::object& executor) {
    checked([&] { attach(executor.ptr(), tasks_); });
  }
  void prepare() const {
    checked([&] {
      if (!tasks_->prepare()) throw raised{};
    });
  }
  void work() const {
    checked([&] { tasks_->work(); });
  }
  void end(const std::string& why) const { tasks_->end(why.c_str()); }
  void cancel_waiting() const { tasks_->cancel_waiting(); }
  [[nodiscard]] const std::string& broken() const { return tasks_->broken(); }

 private:
  std::shared_ptr<thread_tasks> tasks_;
};

}  // namespace

bool add_executors(PyObject* module) {
  if (!add_future_types(module) || !add_executor_types(module)) return false;
  nb::module_ m = nb::borrow<nb::module_>(module);
  m.def("set_future_hooks", [](const nb::object& kind, const nb::object& cancelled, const nb::object& invalid,
                               const nb::object& failed, const nb::object& unexpected) {
    set_future_hooks(kind.ptr(), cancelled.ptr(), invalid.ptr(), failed.ptr(), unexpected.ptr());
  });
  nb::class_<process_tasks_handle>(m, "ProcessTasks")
      .def(nb::init<const nb::object&, bool, const nb::object&, const nb::object&, const nb::object&, const nb::object&,
                    const nb::object&, const nb::object&, const nb::object&, const nb::object&>(),
           nb::kw_only(), nb::arg("pool"), nb::arg("break_on_death"), nb::arg("trouble"), nb::arg("rebuild"),
           nb::arg("broken"), nb::arg("unsendable"), nb::arg("ship"), nb::arg("rescue"), nb::arg("hear"),
           nb::arg("main_names").none())
      .def("attach_to", &process_tasks_handle::attach_to)
      .def("settle", &process_tasks_handle::settle)
      .def("tell", &process_tasks_handle::tell)
      .def("end", &process_tasks_handle::end)
      .def("cancel_waiting", &process_tasks_handle::cancel_waiting)
      .def("kill", &process_tasks_handle::kill)
      .def_prop_ro("open", &process_tasks_handle::open)
      .def_prop_ro("told", &process_tasks_handle::told)
      .def_prop_ro("broken", &process_tasks_handle::broken);
  nb::class_<thread_tasks_handle>(m, "ThreadTasks")
      .def(nb::init<std::size_t, const nb::object&, const nb::object&, const nb::object&, const nb::object&>(),
           nb::kw_only(), nb::arg("most"), nb::arg("start"), nb::arg("initializer").none(), nb::arg("init_failed"),
           nb::arg("broken"))
      .def("attach_to", &thread_tasks_handle::attach_to)
      .def("prepare", &thread_tasks_handle::prepare)
      .def("work", &thread_tasks_handle::work)
      .def("end", &thread_tasks_handle::end)
      .def("cancel_waiting", &thread_tasks_handle::cancel_waiting)
      .def_prop_ro("broken", &thread_tasks_handle::broken);
  return true;
}

}  // namespace centimane::python
