#include "platform/cpu_count.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <string_view>

#include "centimane/cpu_count.hpp"
#include "platform/clock.hpp"

namespace centimane {
namespace platform {

std::size_t parse_override(const char* text) noexcept {
  if (text == nullptr) return 0;
  const std::string_view all(text);
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), n);
  return error == std::errc{} && end == all.data() + all.size() ? n : 0;
}

std::size_t affinity_count() noexcept {
  // A machine may have more processors than cpu_set_t has places: the kernel says EINVAL until the set is large enough.
  for (std::size_t processors = CPU_SETSIZE; processors <= 1024 * CPU_SETSIZE; processors *= 4) {
    cpu_set_t* const set = CPU_ALLOC(processors);
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(processors);
    const bool told = sched_getaffinity(0, size, set) == 0;
    const int n = told ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (told) return static_cast<std::size_t>(std::max(1, n));
  }
  return static_cast<std::size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

std::size_t combine(std::size_t ordered, std::size_t affinity, quota limit) noexcept {
  if (ordered != 0) return ordered;
  std::size_t n = std::max<std::size_t>(1, affinity);
  if (limit && *limit < static_cast<double>(n))
    n = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(*limit)));
  return n;
}

namespace {

/// Read again once a second: an orchestrator may change it under a running program.
quota present_quota() {
  static std::mutex guard;
  static quota known;
  static std::int64_t good_until = std::numeric_limits<std::int64_t>::min();
  const std::lock_guard lock(guard);
  const std::int64_t at = now();
  if (at >= good_until) {
    known = cpu_quota();
    good_until = at + 1'000'000'000;
  }
  return known;
}

std::atomic<std::size_t> ordered_count{0};

}  // namespace
}  // namespace platform

inline namespace v0 {

std::size_t cpu_count() {
  std::size_t ordered = platform::ordered_count.load(std::memory_order_relaxed);
  if (ordered == 0) ordered = platform::parse_override(std::getenv("CENTIMANE_CPU_COUNT"));
  if (ordered != 0) return ordered;
  return platform::combine(0, platform::affinity_count(), platform::present_quota());
}

void set_cpu_count(std::size_t n) noexcept { platform::ordered_count.store(n, std::memory_order_relaxed); }

}  // namespace v0
}  // namespace centimane
