// The complaints of count and time_span; out of line, so that the checks inline to a comparison.
#include "centimane/numbers.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace centimane {
inline namespace v0 {

void count::throw_negative(long long n) {
  throw std::invalid_argument("centimane: a count must be 0 or more, got " + std::to_string(n));
}

void time_span::throw_bad(long double ns) {
  if (std::isnan(ns)) throw std::invalid_argument("centimane: a time must be a number, got NaN");
  throw std::invalid_argument("centimane: a time must be 0 or more, got " +
                              std::to_string(static_cast<double>(ns / 1e9L)) + " s");
}

}  // namespace v0
}  // namespace centimane
