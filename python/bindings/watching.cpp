// See watching.hpp.
#include "watching.hpp"

namespace centimane::python {
namespace {

double seconds(std::chrono::nanoseconds t) { return static_cast<double>(t.count()) * 1e-9; }

ref worker_tuple(const worker_insights& w) {
  return ref::steal(Py_BuildValue("(iLnnnddddd)", w.worker, static_cast<long long>(w.pid),
                                  static_cast<Py_ssize_t>(w.processes), static_cast<Py_ssize_t>(w.items),
                                  static_cast<Py_ssize_t>(w.attempts), seconds(w.busy), seconds(w.running),
                                  seconds(w.serialisation), seconds(w.idle), seconds(w.start_up)));
}

ref slow_tuple(const slow_item& s) {
  return ref::steal(Py_BuildValue("(nIid)", static_cast<Py_ssize_t>(s.index), static_cast<unsigned int>(s.attempt),
                                  s.worker, seconds(s.time)));
}

template <class All, class Make>
ref tuple_of(const All& all, Make make) {
  ref made = ref::steal(PyTuple_New(static_cast<Py_ssize_t>(all.size())));
  for (std::size_t k = 0; made && k < all.size(); ++k) {
    ref one = make(all[k]);
    if (!one) return {};
    PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(k), one.release());
  }
  return made;
}

}  // namespace

PyObject* as_tuple(const insights& what) {
  const ref workers = tuple_of(what.workers, worker_tuple), slowest = tuple_of(what.slowest, slow_tuple);
  if (!workers || !slowest) return nullptr;
  return Py_BuildValue("(OdnnnddOO)", what.detailed ? Py_True : Py_False, seconds(what.elapsed),
                       static_cast<Py_ssize_t>(what.items), static_cast<Py_ssize_t>(what.failed),
                       static_cast<Py_ssize_t>(what.attempts), seconds(what.encoding), seconds(what.decoding),
                       workers.get(), slowest.get());
}

}  // namespace centimane::python
