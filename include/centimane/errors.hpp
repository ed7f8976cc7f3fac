// The errors of centimane: one small hierarchy under `error`. Exceptions of the user's own functions travel beside it,
// as themselves where that can be done and as remote_error where it cannot.
//
// Every exception here is cheap to copy and copying it never throws: what it says lies behind a shared pointer.
// Thread safety: an exception object may be read by any number of threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace centimane::engine {
struct trouble;
}

namespace centimane {
inline namespace v0 {

/// The base of every error that centimane itself reports.
class error : public std::exception {
 public:
  explicit error(std::string message);
  error(const error&) noexcept = default;
  error& operator=(const error&) noexcept = default;
  ~error() override;
  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::shared_ptr<const std::string> message_;
};

namespace detail {
/// What is known of a worker that died or hung; shared by the copies of one exception.
struct death_report {
  int signal = 0;
  int exit_code = -1;
  std::int64_t pid = 0;
  std::string stage, stack, stderr_tail;
  bool likely_oom = false, poison = false, unkillable = false;
};
}  // namespace detail

/// The worker process died while it ran this task. Only a task that had begun is reported so; what was merely sent
/// ahead runs elsewhere.
class worker_died : public error {
 public:
  explicit worker_died(std::string message, detail::death_report report = {});
  /// The signal that ended the worker; 0 if none did.
  [[nodiscard]] int signal() const noexcept;
  /// The code it exited with; nothing if it did not exit by itself.
  [[nodiscard]] std::optional<int> exit_code() const noexcept;
  /// The worker's process id; 0 if unknown.
  [[nodiscard]] std::int64_t pid() const noexcept;
  /// Where in the task's life: "read_args", "run", "write_result", "claim", "sent", "zygote", "protocol", "start".
  [[nodiscard]] std::string_view stage() const noexcept;
  /// The fatal traceback, if one could be written.
  [[nodiscard]] std::string_view stack() const noexcept;
  /// The end of what the worker wrote about its end.
  [[nodiscard]] std::string_view stderr_tail() const noexcept;
  /// The kernel's out-of-memory killer was at work in this process's memory group at that time.
  [[nodiscard]] bool likely_oom() const noexcept;
  /// It had several attempts, and each killed its worker.
  [[nodiscard]] bool poison() const noexcept;
  /// It had to be killed, and SIGKILL did not take within five seconds: its process waits in the kernel, and is left to
  /// itself. (A task_timeout is thrown at the limit, when nobody knows that yet; the log says so later.)
  [[nodiscard]] bool unkillable() const noexcept;

 private:
  std::shared_ptr<const detail::death_report> report_;
};

/// A task ran longer than its task_timeout. Thrown at the limit where the task is in a worker process; on threads once
/// it has come back.
class task_timeout : public error {
 public:
  explicit task_timeout(std::string message, detail::death_report report = {});
  /// The stack at which the task hung, if it could be had: that of a worker process.
  [[nodiscard]] std::string_view stack() const noexcept;

 private:
  std::shared_ptr<const detail::death_report> report_;
};

/// The item was not run, or not to its end, because its run was stopped.
class cancelled : public error {
 public:
  using error::error;
};
/// The item was not run because max_errors items had failed.
class aborted : public error {
 public:
  using error::error;
};
/// The item was not run, or not to its end, because the run's timeout had passed.
class timed_out : public error {
 public:
  using error::error;
};
/// A value could not be written for, or read from, another process.
class payload_error : public error {
 public:
  explicit payload_error(std::string message, std::string_view stage = "write_args");
  /// Which way it could not be carried: "write_args" (the item, on its way out), "read_args" (in the worker),
  /// "write_result", "read_result".
  [[nodiscard]] std::string_view stage() const noexcept;

 private:
  std::shared_ptr<const std::string> stage_;
};

/// An exception that cannot travel as itself, described.
class remote_error : public error {
 public:
  explicit remote_error(std::string message, std::string type_name = {});
  /// The name of the original exception's type, demangled.
  [[nodiscard]] std::string_view type_name() const noexcept;

 private:
  std::shared_ptr<const std::string> type_name_;
};

/// Workers cannot start; the message has what the child wrote and what to do.
class start_failed : public error {
 public:
  using error::error;
};

/// The machine does not give what was asked for.
class resource_limit : public error {
 public:
  explicit resource_limit(std::string message, std::uint64_t need = 0, std::uint64_t have = 0);
  [[nodiscard]] std::uint64_t need() const noexcept { return need_; }
  [[nodiscard]] std::uint64_t have() const noexcept { return have_; }

 private:
  std::uint64_t need_, have_;
};

/// Something was asked of a pool that is closed.
class pool_closed : public error {
 public:
  using error::error;
};
/// The pool belongs to the process that this one was forked from.
class pool_forked : public error {
 public:
  using error::error;
};
/// The holder of a lock, or the server of a manager, has died.
class owner_died : public error {
 public:
  using error::error;
};
/// A queue was closed; or a wait for it would have no end, for nobody is left at its other end.
class queue_closed : public error {
 public:
  using error::error;
};
/// Pools inside workers inside pools, too deep.
class nesting_error : public error {
 public:
  using error::error;
};
/// A checkpoint cannot be read or belongs to another run.
class checkpoint_error : public error {
 public:
  using error::error;
};

/// An error that an item ended in: holds the exception itself. Cheap to copy; never empty unless default-constructed or
/// moved from.
class any_error {
 public:
  any_error() noexcept = default;
  explicit any_error(std::exception_ptr what) noexcept : error_(std::move(what)) {}
  /// The exception's message; valid as long as this or a copy lives. For what is no std::exception: its type's name.
  [[nodiscard]] const char* what() const noexcept;
  /// The name of the exception's type; for a remote_error that of the original.
  [[nodiscard]] std::string_view type_name() const noexcept;
  /// The exception, if it is an E; else null. Valid as long as this or a copy lives. Cost: about a microsecond.
  template <class E>
  [[nodiscard]] const E* as() const noexcept {
    if (!error_) return nullptr;
    try {
      std::rethrow_exception(error_);
    } catch (const E& e) {
      return std::addressof(e);  // the exception_ptr owns this very object
    } catch (...) {
      return nullptr;
    }
  }
  /// Throws the exception. Precondition: not empty.
  [[noreturn]] void rethrow() const { std::rethrow_exception(error_); }
  [[nodiscard]] const std::exception_ptr& exception() const noexcept { return error_; }
  explicit operator bool() const noexcept { return static_cast<bool>(error_); }

 private:
  std::exception_ptr error_;
};

/// One item that failed. Taken apart, as in `for (auto& [index, error] : failures())`, it is these two.
struct failure {
  std::size_t index;  ///< of the item, in the input
  centimane::any_error error;
  std::string key = {};  ///< what item_key said of the item, as text; empty without one, and for what was not looked at

  template <std::size_t I>
  [[nodiscard]] auto& get() noexcept {
    if constexpr (I == 0) return (index);
    if constexpr (I == 1) return (error);
  }
  template <std::size_t I>
  [[nodiscard]] const auto& get() const noexcept {
    if constexpr (I == 0) return (index);
    if constexpr (I == 1) return (error);
  }
};

/// Some items of a run failed, or the run was cut short; has them all.
class exception_group : public error {
 public:
  explicit exception_group(std::string message, std::vector<failure> failures = {});
  /// In index order.
  [[nodiscard]] std::span<const failure> failures() const noexcept;

 private:
  std::shared_ptr<const std::vector<failure>> failures_;
};

/// A set of exception types, as a value. Matched where the exception was thrown (in the worker), so types need no
/// registration for it. The default: every std::exception, but no worker_died and no task_timeout.
class error_filter {
 public:
  using match = bool (*)(const std::exception_ptr&) noexcept;
  constexpr error_filter() noexcept = default;
  constexpr explicit error_filter(match m) noexcept : match_(m) {}
  /// Is this exception in the set?
  [[nodiscard]] bool operator()(const std::exception_ptr& e) const noexcept;
  /// The function that answers it; null for the default.
  [[nodiscard]] constexpr match matcher() const noexcept { return match_; }

 private:
  match match_ = nullptr;
};

namespace detail {
template <class E>
bool is_a(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}
template <class... E>
bool matches(const std::exception_ptr& e) noexcept {
  return e && (is_a<E>(e) || ...);
}

/// The engine's account of an attempt that did not come back, as the exception its item ends in. `item`: "item 17".
[[nodiscard]] std::exception_ptr explain(const engine::trouble& why, std::string_view item, std::uint32_t attempt);
/// A type's name as a programmer writes it; valid for ever.
[[nodiscard]] std::string_view demangled(const char* mangled) noexcept;
}  // namespace detail

/// `errors<network_error, timeout_error>`: these types and what derives from them.
template <class... E>
requires(sizeof...(E) > 0 && (std::is_class_v<E> && ...)) inline constexpr error_filter errors{&detail::matches<E...>};

}  // namespace v0
}  // namespace centimane

template <>
struct std::tuple_size<centimane::failure> : std::integral_constant<std::size_t, 2> {};
template <>
struct std::tuple_element<0, centimane::failure> {
  using type = std::size_t;
};
template <>
struct std::tuple_element<1, centimane::failure> {
  using type = centimane::any_error;
};
