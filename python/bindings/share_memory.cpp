// See share_memory.hpp.
#include "share_memory.hpp"

#include <cstdint>
#include <span>
#include <string>

#include "centimane/shared_memory.hpp"
#include "object.hpp"
#include "platform/family.hpp"
#include "platform/named_memory.hpp"
#include "run.hpp"

namespace nb = nanobind;

namespace centimane::python {
namespace {

/// Names in the file system's own bytes.
std::string text(const nb::bytes& name) { return {name.c_str(), name.size()}; }

/// What Python makes of C++ errors.
template <class Body>
auto checked(Body body) {
  try {
    return body();
  } catch (...) {
    translate_exception();
  }
  throw nb::python_error();
}

class memory_handle {
 public:
  memory_handle(const nb::bytes& name, bool create, std::uint64_t size, bool track)
      : memory_(checked([&] {
          const std::string called = text(name);
          const without_gil others;
          return create ? shared_memory::create(size, called, track) : shared_memory::open(called);
        })) {}
  [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }
  void unlink() {
    checked([&] { memory_.unlink(); });
  }
  void close() {
    if (views_ > 0) {
      PyErr_SetString(
          PyExc_BufferError,
          "cannot close shared memory that is looked into: arrays or memoryviews made of its buf are alive");
      throw nb::python_error();
    }
    const without_gil others;
    memory_.close();
  }
  int look_into(PyObject* self, Py_buffer* view, int flags) {
    const std::span<std::byte> all = memory_.bytes();
    if (all.data() == nullptr) {
      view->obj = nullptr;
      PyErr_SetString(PyExc_BufferError, "this shared memory is closed");
      return -1;
    }
    const int refused = PyBuffer_FillInfo(view, self, all.data(), static_cast<Py_ssize_t>(all.size()), 0, flags);
    if (refused == 0) ++views_;
    return refused;
  }
  void looked() noexcept { --views_; }

 private:
  shared_memory memory_;
  Py_ssize_t views_ = 0;
};

memory_handle* in(PyObject* self) { return nb::inst_ptr<memory_handle>(nb::handle(self)); }

int export_buffer(PyObject* self, Py_buffer* view, int flags) { return in(self)->look_into(self, view, flags); }
void release_buffer(PyObject* self, Py_buffer*) { in(self)->looked(); }

PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(export_buffer)},
                       {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                       {0, nullptr}};

}  // namespace

void add_named_memory(nb::module_& module) {
  nb::class_<memory_handle>(module, "NamedMemory", nb::type_slots(slots))
      .def(nb::init<const nb::bytes&, bool, std::uint64_t, bool>(), nb::kw_only(), nb::arg("name"), nb::arg("create"),
           nb::arg("size"), nb::arg("track"))
      .def_prop_ro("size", &memory_handle::size)
      .def("close", &memory_handle::close)
      .def("unlink", &memory_handle::unlink);
  module.def("sweep_memory", [] { platform::sweep_memory(); });
  module.def("family", [] { return platform::family_root().word(); });
  module.def(
      "join_family", [](std::uint64_t root) { platform::join_family(platform::process_identity::from_word(root)); },
      nb::arg("root"));
}

}  // namespace centimane::python
