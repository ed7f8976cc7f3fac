// What a job's window counts in bytes: the items that have come and, in a stream, the values that wait for the
// consumer.
#include "job.hpp"
#include "weigh.hpp"

namespace centimane::python {

/// Items from `first` on have come.
void job::weigh(engine::pulled& got, std::uint64_t first) {
  got.bytes = 0;
  if (options_.window_bytes == 0) return;
  for (std::uint64_t i = first; i < source_.known(); ++i) {
    const ref item = source_.item(i, outcomes);
    const std::uint64_t bytes = item ? weight_of(item.get()) : 0;
    got.bytes += bytes;
    if (options_.stream) weights_[i / options_.chunk] += bytes;
  }
}

/// The tasks have their values. Those of a map stay with it whatever they hold.
void job::weigh_values(index first, index n) {
  if (options_.window_bytes == 0 || !options_.stream) return;
  for (index task = first; task < first + n; ++task) {
    std::uint64_t bytes = 0;
    for (std::uint64_t i = first_item(task); i < end_item(task); ++i) {
      const shelf::outcome outcome = outcomes.get(i);
      if (!outcome.ok || outcome.what == nullptr) continue;
      const ref value = ref::borrow(outcome.what);
      bytes += weight_of(value.get());
    }
    weights_[task] += bytes;
    weighed_ += bytes;
  }
}

std::uint64_t job::take_weight(index task) {
  const auto found = weights_.find(task);
  if (found == weights_.end()) return 0;
  const std::uint64_t bytes = found->second;
  weights_.erase(found);
  return bytes;
}

}  // namespace centimane::python
