#include "thread/attempt_clock.hpp"

#include <cstdio>

#include "thread/thread_place.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

engine::trouble overtime_of(policy::nanos limit, policy::nanos took, int worker) {
  engine::trouble why;
  why.how = policy::outcome::overtime;
  why.where = engine::stage::run;
  why.worker = worker;
  why.limit = limit;
  char text[48];
  std::snprintf(text, sizeof text, "it came back after %.3g s", static_cast<double>(took) / 1e9);
  why.text = text;
  return why;
}

}  // namespace detail
}  // namespace v0

namespace engine {

bool past_limit() noexcept {
  detail::attempt_clock* const clock = detail::here().stop;
  return clock != nullptr && clock->late();
}

}  // namespace engine
}  // namespace centimane
