// Retries for HTTP services that throttle: 429 and 503 are tried again, and Retry-After is followed.
//
//   how.retry = cm::retry_for_http<http_error>([](const http_error& e) {
//     return cm::http_reply{.status = e.status(), .retry_after = e.header("Retry-After"), .date = e.header("Date")};
//   });
//
// When to use: for tasks that call a service through any client whose error can say what was answered; no client is
// needed or known here. The umbrella header does not include this file. Performance: one call of `reply` or two for an
// attempt that failed. Thread safety: `reply` is called on the run's driver. The words are RFC 9110's.
#pragma once
#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "centimane/errors.hpp"
#include "centimane/numbers.hpp"
#include "centimane/options.hpp"

namespace centimane {
inline namespace v0 {

/// What an error tells of the answer that it stands for.
struct http_reply {
  int status = 0;                ///< 0: there was no answer
  std::string retry_after = {};  ///< the header's value; empty if there was none
  std::string date = {};         ///< that of Date, from which a Retry-After that is a date is counted
};

/// The wait that a Retry-After asks for: in seconds, or until a date in any of RFC 9110's three forms. Nothing if it
/// cannot be read, or is a date and `date` is none. A date that has passed is no wait. Throws nothing but
/// std::bad_alloc. Reads no clock: the service's own Date is the time it knows.
[[nodiscard]] std::optional<time_span> retry_after(std::string_view value, std::string_view date);

namespace detail {
/// Throws std::invalid_argument.
void check_http_retry(const retry& how);
}  // namespace detail

/// A retry for a service whose errors are E. `reply` tells what was answered. An E without an answer (status 0), and
/// other errors that how.on names, are tried again whatever they say; other statuses than `statuses` are not. The wait
/// a service asks for takes the place of a shorter backoff and holds back the run's whole rate_limit, as
/// retry::wait_from does. Throws std::invalid_argument if `how` has a retry_if or wait_from of its own; what `reply`
/// throws becomes the item's error.
template <class E>
[[nodiscard]] retry retry_for_http(std::function<http_reply(const E&)> reply,
                                   retry how = {.backoff = std::chrono::seconds(1)},
                                   std::vector<int> statuses = {429, 503}) {
  detail::check_http_retry(how);
  if (how.on.matcher() == nullptr) how.on = errors<E>;
  how.retry_if = [reply, statuses = std::move(statuses)](const any_error& error) {
    const E* known = error.as<E>();
    const int status = known == nullptr ? 0 : reply(*known).status;
    return status == 0 || std::find(statuses.begin(), statuses.end(), status) != statuses.end();
  };
  how.wait_from = [reply = std::move(reply)](const any_error& error) -> std::optional<time_span> {
    const E* known = error.as<E>();
    if (known == nullptr) return std::nullopt;
    const http_reply told = reply(*known);
    return retry_after(told.retry_after, told.date);
  };
  return how;
}

}  // namespace v0
}  // namespace centimane
