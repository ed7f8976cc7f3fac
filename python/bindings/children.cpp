// See children.hpp. All waits are cut in slices: between them the GIL is here, and Python's signal handlers run.
#include "children.hpp"

#include <nanobind/stl/string.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "checked.hpp"
#include "object.hpp"
#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"
#include "process/children.hpp"
#include "run.hpp"

namespace nb = nanobind;

namespace centimane::python {
namespace {

using engine::nanos;

/// How long a wait goes without looking for signals.
constexpr nanos slice = 100'000'000;

nanos later(double seconds) {
  constexpr double longest = 9e9;
  if (seconds >= longest) return policy::never;
  return seconds <= 0 ? 0 : platform::now() + static_cast<nanos>(seconds * 1e9);
}

/// Repeats a step that answers whether there was an outcome by a moment, until there is one or it is late.
template <class Step>
bool wait_in_slices(nanos until, Step step) {
  for (;;) {
    const nanos by = std::min(until, platform::now() + slice);
    {
      const without_gil others;
      if (step(until == 0 ? 0 : by)) return true;
    }
    if (PyErr_CheckSignals() != 0) throw raised{};
    if (until == 0 || platform::now() >= until) return false;
  }
}

std::vector<std::string> strings(const nb::list& all) {
  std::vector<std::string> made;
  for (nb::handle one : all) {
    const auto bytes = nb::cast<nb::bytes>(one);
    made.emplace_back(bytes.c_str(), bytes.size());
  }
  return made;
}

/// A memory with all of them one behind the other.
platform::fd memory_of(const nb::list& parts) {
  std::vector<std::span<const std::byte>> all;
  std::size_t size = 0;
  for (nb::handle one : parts) {
    const auto bytes = nb::cast<nb::bytes>(one);
    all.emplace_back(reinterpret_cast<const std::byte*>(bytes.c_str()), bytes.size());
    size += bytes.size();
  }
  platform::fd made = platform::make_memory("centimane-process", size);
  std::uint64_t at = 0;
  for (const auto& one : all) {
    platform::write_memory(made.get(), at, one);
    at += one.size();
  }
  platform::seal_size(made.get());
  return made;
}

class child_handle {
 public:
  explicit child_handle(std::unique_ptr<engine::child> it) : it_(std::move(it)) {}
  child_handle(const child_handle&) = delete;
  child_handle& operator=(const child_handle&) = delete;
  child_handle(child_handle&&) = default;
  ~child_handle() {
    if (!it_) return;
    const without_gil others;
    it_.reset();
  }

  void wait_until_born() {
    wait_in_slices(policy::never, [this](nanos by) { return it_->born(by); });
  }
  [[nodiscard]] int pid() const { return it_->pid(); }
  [[nodiscard]] int sentinel() const { return it_->sentinel(); }
  /// None: it lives.
  nb::object ended(double seconds) {
    std::optional<platform::exit_status> how;
    checked([&] {
      wait_in_slices(later(seconds), [&](nanos by) {
        how = it_->ended(by);
        return how.has_value();
      });
    });
    if (!how) return nb::none();
    return nb::make_tuple(how->known, how->signal, how->code);
  }
  bool signal(int number) {
    return checked([&] {
      const without_gil others;
      return it_->signal(number);
    });
  }

 private:
  std::unique_ptr<engine::child> it_;
};

class children_handle {
 public:
  children_handle(const nb::list& argument_bytes, const nb::list& environment_bytes) {
    auto make = [arguments = strings(argument_bytes), environment = strings(environment_bytes)] {
      std::vector<char*> argv, envp;
      for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
      for (const auto& e : environment) envp.push_back(const_cast<char*>(e.c_str()));
      argv.push_back(nullptr);
      envp.push_back(nullptr);
      return engine::zygote::spawn(arguments.front().c_str(), argv.data(), envp.data());
    };
    all_ = engine::children::open(std::move(make));
  }
  children_handle(const children_handle&) = delete;
  children_handle& operator=(const children_handle&) = delete;
  ~children_handle() {
    const without_gil others;
    all_.reset();
  }

  /// streams: the numbers of its standard input, output and error; more: another descriptor, or -1.
  child_handle start(const nb::list& parts, const std::array<int, 3>& streams, int more) {
    return checked([&] {
      engine::child_files files;
      files.payload = memory_of(parts);
      files.in = platform::another(streams[0]);
      files.out = platform::another(streams[1]);
      files.err = platform::another(streams[2]);
      files.more = platform::another(more);
      child_handle made(all_->start(std::move(files)));
      made.wait_until_born();
      return made;
    });
  }
  [[nodiscard]] int zygote_pid() const { return all_->zygote_pid(); }
  [[nodiscard]] std::size_t count() const { return all_->count(); }
  void close() {
    const without_gil others;
    all_->close();
  }

 private:
  std::shared_ptr<engine::children> all_;
};

}  // namespace

int live_as_child(engine::child_files files) {
  const ref module = ref::steal(PyImport_ImportModule("centimane._child"));
  try {
    const platform::mapping payload(files.payload.get(), platform::memory_size(files.payload.get()),
                                    platform::access::read);
    files.payload.reset();
    const ref view = module ? ref::steal(PyMemoryView_FromMemory(reinterpret_cast<char*>(payload.data()),
                                                                 static_cast<Py_ssize_t>(payload.size()), PyBUF_READ))
                            : ref();
    const ref code = view ? ref::steal(PyObject_CallMethod(module.get(), "main", "Oii", view.get(),
                                                           files.more.release(), files.driver.release()))
                          : ref();
    if (code) return static_cast<int>(PyLong_AsLong(code.get()));
  } catch (...) {
    translate_exception();
  }
  PyErr_Print();
  return 1;
}

void add_children(nb::module_& module) {
  nb::class_<child_handle>(module, "Child")
      .def_prop_ro("pid", &child_handle::pid)
      .def_prop_ro("sentinel", &child_handle::sentinel)
      .def("ended", &child_handle::ended, nb::arg("seconds"))
      .def("signal", &child_handle::signal, nb::arg("number"));
  nb::class_<children_handle>(module, "Children")
      .def(nb::init<const nb::list&, const nb::list&>(), nb::kw_only(), nb::arg("arguments"), nb::arg("environment"))
      .def(
          "start",
          [](children_handle& it, const nb::list& parts, int in, int out, int err, int more) {
            return it.start(parts, {in, out, err}, more);
          },
          nb::kw_only(), nb::arg("parts"), nb::arg("stdin"), nb::arg("stdout"), nb::arg("stderr"), nb::arg("more"))
      .def("close", &children_handle::close)
      .def_prop_ro("zygote_pid", &children_handle::zygote_pid)
      .def_prop_ro("count", &children_handle::count);
}

}  // namespace centimane::python
