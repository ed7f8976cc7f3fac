// Retry-After and its dates. See http.hpp.
#include "centimane/http.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace centimane {
inline namespace v0 {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<unsigned>(at - names.begin()) + 1;
}

/// A date's fields as they were written.
struct fields {
  std::array<char, 4> month{};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
};

/// Two digits of a year are of this century, but for those that HTTP cannot have meant.
int whole_year(int year) { return year >= 100 ? year : year + (year < 70 ? 2000 : 1900); }

std::optional<std::chrono::sys_seconds> instant(const fields& f) {
  const auto month = month_of(f.month.data());
  if (!month || f.day < 1 || f.hour < 0 || f.hour > 23 || f.minute < 0 || f.minute > 59 || f.second < 0 ||
      f.second > 60)
    return std::nullopt;
  const std::chrono::year_month_day day(std::chrono::year(whole_year(f.year)), std::chrono::month(*month),
                                        std::chrono::day(static_cast<unsigned>(f.day)));
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days(day) + std::chrono::hours(f.hour) + std::chrono::minutes(f.minute) +
         std::chrono::seconds(f.second);
}

/// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" or "Sun Nov  6 08:49:37 1994": all of it.
std::optional<std::chrono::sys_seconds> date_of(std::string_view text) {
  const std::string all(trimmed(text));
  const auto whole = [&](int read, int wanted, int end) {
    return read == wanted && end == static_cast<int>(all.size());
  };
  fields f;
  int end = -1;
  int n = std::sscanf(all.c_str(), "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &f.day, f.month.data(), &f.year,
                      &f.hour, &f.minute, &f.second, &end);
  if (whole(n, 6, end)) return instant(f);
  f = {}, end = -1;
  n = std::sscanf(all.c_str(), "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &f.day, f.month.data(), &f.year,
                  &f.hour, &f.minute, &f.second, &end);
  if (whole(n, 6, end)) return instant(f);
  f = {}, end = -1;
  n = std::sscanf(all.c_str(), "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", f.month.data(), &f.day, &f.hour,
                  &f.minute, &f.second, &f.year, &end);
  if (whole(n, 6, end)) return instant(f);
  return std::nullopt;
}

}  // namespace

std::optional<time_span> retry_after(std::string_view value, std::string_view date) {
  const std::string_view text = trimmed(value);
  double seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem == std::errc() && end == text.data() + text.size()) {
    if (!std::isfinite(seconds) || seconds < 0) return std::nullopt;
    return std::chrono::duration<double>(seconds);
  }
  const auto until = date_of(text), from = date_of(date);
  if (!until || !from) return std::nullopt;
  return std::max(std::chrono::seconds(0), *until - *from);
}

namespace detail {
void check_http_retry(const retry& how) {
  if (how.retry_if)
    throw std::invalid_argument("centimane: retry_for_http says by status what is tried again; leave retry_if out");
  if (how.wait_from)
    throw std::invalid_argument("centimane: retry_for_http reads the wait from Retry-After; leave wait_from out");
}
}  // namespace detail

}  // namespace v0
}  // namespace centimane
