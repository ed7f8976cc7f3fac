// Who watches a run: what its driver tells of it goes to a trace and to a hook, if they were asked for. A run that
// nobody watches has none, and pays nothing. Used on the driver's thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "platform/new_file.hpp"
#include "run/port.hpp"
#include "run/trace.hpp"

namespace centimane::engine {

class watch {
 public:
  struct wishes {
    std::string trace;                           ///< where it is to be written; empty: none
    std::function<bool(const happening&)> hook;  ///< false asks the run to stop; throws nothing. May be empty
  };
  /// Throws std::system_error if the trace cannot be written there.
  explicit watch(wishes what);

  /// False: the run is to stop. The word of the run's end is the last: the trace is in its place then.
  bool tell(const happening& what);
  /// What the driver's time went to.
  void spent(const char* doing, nanos from, nanos to, index items = 0);
  /// Why there is no trace after all; empty: it is in its place, or none was asked for. A run does not end for it.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  template <class Write>
  void trace(Write write);

  std::function<bool(const happening&)> hook_;
  std::unique_ptr<platform::new_file> file_;
  std::optional<trace_writer> trace_;
  std::string trouble_;
};

}  // namespace centimane::engine
