// What a run of the C++ face draws its tokens from.
#pragma once
#include <memory>

#include "centimane/options.hpp"
#include "run/budget.hpp"

namespace centimane {
inline namespace v0 {

/// The limiter's that it came from; else one of its own.
[[nodiscard]] std::shared_ptr<engine::budget> budget_of(const rate_limit& rate);

}  // namespace v0
}  // namespace centimane
