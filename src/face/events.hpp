// The engine's account of what happened, as C++ users see it.
#pragma once
#include "centimane/events.hpp"
#include "run/port.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

[[nodiscard]] event event_of(const engine::happening& what);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
