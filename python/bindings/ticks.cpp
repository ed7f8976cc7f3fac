// See ticks.hpp.
#include "ticks.hpp"

namespace centimane::python {
namespace {

struct moment {
  std::uint64_t tick = ticks();
  std::int64_t time = monotonic_now();
};

const moment loaded;
/// Beyond this the rate is known to a millionth and kept.
constexpr std::int64_t long_enough = 500'000'000;

}  // namespace

std::atomic<double> settled_rate{0};

double measured_rate() noexcept {
  static thread_local double rate = 0;
  static thread_local std::uint64_t again_at = 0;
  const std::uint64_t tick = ticks();
  if (rate != 0 && tick < again_at) return rate;
  std::int64_t passed = monotonic_now() - loaded.time;
  if (passed <= 0 || tick <= loaded.tick) return 1e-9;
  rate = static_cast<double>(passed) * 1e-9 / static_cast<double>(tick - loaded.tick);
  // Asked again when as much time has passed as the measurement has lasted: each time the error halves.
  again_at = tick + (tick - loaded.tick);
  if (passed > long_enough) settled_rate.store(rate, std::memory_order_relaxed);
  return rate;
}

}  // namespace centimane::python
