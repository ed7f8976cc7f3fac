// The Python side of a worker process: the engine's `servant`, and the zygote that forks workers. In a worker the GIL
// is held while tasks run one after another, and given away whenever none is there, so that threads of the user's live
// on.
#pragma once
#include <string>
#include <unordered_map>

#include "centimane/detail/payload.hpp"
#include "codec.hpp"
#include "process/zygote.hpp"

namespace centimane::python {

/// What the first byte of a definition says about the rest.
enum class blob_kind : char {
  call = 'c',        ///< a pickled function: f(item)
  star = '*',        ///< f(*item)
  keywords = 'k',    ///< f(*item[0], **item[1])
  carrier = 'W',     ///< no function: each item brings one, (pickled function, arguments, keywords)
  chunk = 'C',       ///< [f(item) for item in items]
  chunk_star = 'S',  ///< [f(*item) for item in items]
  list = 'L',        ///< the same as one task: the first exception is its outcome
  list_star = 'T',
  names = 'M',  ///< pickled bindings for __main__
  state = 'P',  ///< the process's state: directory, paths, environment
};

class python_servant final : public engine::servant {
 public:
  /// With the GIL. worker: the module centimane._worker.
  explicit python_servant(ref worker);
  ~python_servant() override;

  void set_up(reader how) override;
  void define(std::uint64_t id, reader blob) override;
  void forget(std::uint64_t id) override;
  engine::verdict run(std::uint64_t definition, std::uint32_t attempt, reader item, writer& out,
                      engine::phase_marker& mark) override;
  engine::verdict not_sent(std::exception_ptr why, writer& out) override;
  void idle() override;
  void tear_down() override;

 private:
  struct definition_entry {
    blob_kind kind = blob_kind::call;
    ref function, error;
  };
  void enter();
  void leave();
  engine::verdict failed(writer& out, std::size_t begin, float seconds, ref error);
  const definition_entry* find(std::uint64_t id);
  ref call(blob_kind kind, PyObject* function, PyObject* argument) const;
  std::string try_set_up(reader how);
  void tell(const char* method);
  void end_lines(bool ok);

  ref worker_, run_chunk_, describe_, unreadable_, unwritable_, salvage_, rescue_;
  std::unordered_map<std::uint64_t, definition_entry> known_;
  const std::pair<const std::uint64_t, definition_entry>* last_ = nullptr;  ///< in known_: what the last task named
  PyThreadState* state_ = nullptr;                                          ///< while the GIL is given away
  std::uint32_t since_leave_ = 0;
};

/// Tasks of Python's have printed text that has no end of line yet: at the end of this one `end_lines` is to be called.
void text_waits() noexcept;

/// The zygote's whole life, on its only thread, with the GIL. Returns when the driver is gone. `warm_up` is called
/// once, when there is time; borrowed.
void serve_zygote_here(int socket, long driver_pid, PyObject* warm_up);

/// The zygote's hooks; for start="fork" the driver's own process forks with them.
engine::zygote_hooks python_hooks();

}  // namespace centimane::python
