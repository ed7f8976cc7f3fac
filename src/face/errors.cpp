// The exceptions' compiled parts, and how the engine's account of a lost attempt becomes one of them.
#include "centimane/errors.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <typeinfo>

#include "centimane/detail/payload.hpp"

namespace centimane {
inline namespace v0 {

error::error(std::string message) : message_(std::make_shared<const std::string>(std::move(message))) {}
error::~error() = default;
const char* error::what() const noexcept { return message_->c_str(); }

worker_died::worker_died(std::string message, detail::death_report report)
    : error(std::move(message)), report_(std::make_shared<const detail::death_report>(std::move(report))) {}
int worker_died::signal() const noexcept { return report_->signal; }
std::optional<int> worker_died::exit_code() const noexcept {
  return report_->exit_code >= 0 ? std::optional<int>(report_->exit_code) : std::nullopt;
}
std::int64_t worker_died::pid() const noexcept { return report_->pid; }
std::string_view worker_died::stage() const noexcept { return report_->stage; }
std::string_view worker_died::stack() const noexcept { return report_->stack; }
std::string_view worker_died::stderr_tail() const noexcept { return report_->stderr_tail; }
bool worker_died::likely_oom() const noexcept { return report_->likely_oom; }
bool worker_died::poison() const noexcept { return report_->poison; }
bool worker_died::unkillable() const noexcept { return report_->unkillable; }

task_timeout::task_timeout(std::string message, detail::death_report report)
    : error(std::move(message)), report_(std::make_shared<const detail::death_report>(std::move(report))) {}
std::string_view task_timeout::stack() const noexcept { return report_->stack; }

payload_error::payload_error(std::string message, std::string_view stage)
    : error(std::move(message)), stage_(std::make_shared<const std::string>(stage)) {}
std::string_view payload_error::stage() const noexcept { return *stage_; }

remote_error::remote_error(std::string message, std::string type_name)
    : error(std::move(message)), type_name_(std::make_shared<const std::string>(std::move(type_name))) {}
std::string_view remote_error::type_name() const noexcept { return *type_name_; }

resource_limit::resource_limit(std::string message, std::uint64_t need, std::uint64_t have)
    : error(std::move(message)), need_(need), have_(have) {}

exception_group::exception_group(std::string message, std::vector<failure> failures)
    : error(std::move(message)), failures_(std::make_shared<const std::vector<failure>>(std::move(failures))) {}
std::span<const failure> exception_group::failures() const noexcept { return *failures_; }

std::string_view any_error::type_name() const noexcept {
  if (!error_) return {};
  try {
    std::rethrow_exception(error_);
  } catch (const remote_error& e) {
    if (!e.type_name().empty()) return e.type_name();
    return detail::demangled(typeid(e).name());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type == nullptr ? std::string_view("(foreign exception)") : detail::demangled(type->name());
  }
}

const char* any_error::what() const noexcept {
  if (!error_) return "";
  try {
    std::rethrow_exception(error_);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return type_name().data();  // interned, so terminated and lasting
  }
}

bool error_filter::operator()(const std::exception_ptr& e) const noexcept {
  if (!e) return false;
  if (match_ != nullptr) return match_(e);
  return detail::is_a<std::exception>(e) && !detail::is_a<worker_died>(e) && !detail::is_a<task_timeout>(e);
}

namespace detail {

std::string_view demangled(const char* mangled) noexcept {
  // Interned for the life of the process: callers keep views, and the number of types is bounded by the program's text.
  static std::mutex& lock = *new std::mutex;
  static auto& names = *new std::map<std::string, std::string, std::less<>>;
  try {
    std::lock_guard guard(lock);
    auto at = names.find(std::string_view(mangled));
    if (at == names.end()) {
      int failed = 0;
      char* plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &failed);
      at = names.emplace(mangled, failed == 0 && plain != nullptr ? plain : mangled).first;
      std::free(plain);
    }
    return at->second;
  } catch (...) {
    return mangled;
  }
}

namespace {

/// The end of a long text, from the start of a line if there is one: errors carry 4 KiB of it, not 64.
std::string tail(const std::string& text) {
  constexpr std::size_t most = 4096;
  if (text.size() <= most) return text;
  std::size_t from = text.size() - most;
  std::size_t line = text.find('\n', from);
  return text.substr(line != std::string::npos && line + 1 < text.size() ? line + 1 : from);
}

std::string seconds(engine::nanos t) {
  std::string s = std::to_string(static_cast<double>(t) / 1e9);
  while (s.back() == '0') s.pop_back();
  if (s.back() == '.') s.pop_back();
  return s + " s";
}

/// "; worker 3, pid 4711, attempt 2": where to look.
std::string whereabouts(const engine::trouble& why, std::uint32_t attempt) {
  std::string s;
  if (why.worker >= 0) s += ", worker " + std::to_string(why.worker);
  if (why.pid > 0) s += ", pid " + std::to_string(why.pid);
  if (attempt > 1) s += ", attempt " + std::to_string(attempt);
  if (!s.empty()) s.replace(0, 2, " (").append(")");
  return s;
}

}  // namespace

std::exception_ptr explain(const engine::trouble& why, std::string_view item, std::uint32_t attempt) {
  std::string text(item);
  death_report report;
  report.signal = why.signal;
  report.exit_code = why.exit_code;
  report.pid = why.pid;
  report.stage = name_of(why.where);
  report.stack = why.stack;
  report.stderr_tail = tail(why.stack);
  report.likely_oom = why.likely_oom;
  report.poison = why.poison;
  report.unkillable = why.unkillable;

  if (why.how == policy::outcome::overtime) {
    text += ": ran longer than its limit of " + seconds(why.limit) + whereabouts(why, attempt);
    if (!why.text.empty()) text += "; " + why.text;
    if (!why.stack.empty()) text += "; it hung at\n" + tail(why.stack);
    return std::make_exception_ptr(task_timeout(std::move(text), std::move(report)));
  }
  if (why.how == policy::outcome::cancelled || why.how == policy::outcome::unsent) {
    text += why.text.empty() ? ": cancelled before it ended" : ": " + why.text;
    return std::make_exception_ptr(cancelled(std::move(text)));
  }
  if (why.where == engine::stage::start) {
    text += ": " + (why.text.empty() ? std::string("no worker could start") : why.text);
    if (!why.stack.empty()) text += "; a worker wrote\n" + tail(why.stack);
    return std::make_exception_ptr(start_failed(std::move(text)));
  }
  text += ": the worker died in stage " + report.stage;
  text += why.text.empty() ? "" : ": " + why.text;
  text += whereabouts(why, attempt);
  if (why.likely_oom) text += "; likely ended by the out-of-memory killer: use fewer workers or smaller items";
  if (why.poison) text += "; each attempt killed its worker";
  if (!why.stack.empty()) text += "; it wrote\n" + tail(why.stack);
  return std::make_exception_ptr(worker_died(std::move(text), std::move(report)));
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
