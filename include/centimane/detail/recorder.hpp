// What keeps a run's values beyond its process: a face's checkpoint, as the driver sees it.
#pragma once
#include <span>
#include <vector>

#include "centimane/detail/words.hpp"

namespace centimane::engine {

/// Called on the driver's thread.
class recorder {
 public:
  /// Of what has arrived since it was last asked, ascending: the items whose values are recorded already. They are in
  /// place. Asked after each arrival.
  virtual std::vector<policy::index> restored() = 0;
  /// Values of these items are in place: writes them down, so that no later run of the same work computes them again.
  /// Asked once for all that one look at the executor brought, before payload::settled. What it throws ends the run at
  /// once.
  virtual void record(std::span<const policy::index> items) = 0;

 protected:
  ~recorder() = default;
};

}  // namespace centimane::engine
