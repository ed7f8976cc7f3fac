// Log records on their way: a worker's word becomes a record of the driver's handler.
#pragma once
#include "centimane/log.hpp"
#include "run/port.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Hands a word that log() has sent to the handler. Throws what that throws.
void hear(const engine::word& what);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
