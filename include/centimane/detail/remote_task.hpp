// A task as a worker runs it: read the item, call, write the result. The driver names it by the address of its table;
// nothing is registered anywhere.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "centimane/codec.hpp"
#include "centimane/detail/function_travel.hpp"
#include "centimane/detail/payload.hpp"
#include "centimane/errors.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// What a worker can do with one kind of task, types forgotten.
struct task_table {
  std::shared_ptr<const void> (*make)(reader& captures);
  /// Throws what the user's function throws; payload_error for what cannot be read or written.
  void (*run)(const void* function, reader& item, writer& out, engine::phase_marker& mark);
};
using table_of_task = const task_table*();

/// Turns the exception being handled into a payload_error that says what was being done.
[[noreturn]] void throw_payload_error(const char* stage, const char* doing, const char* mangled_type);

/// F called with a Pass (const T& or T&&), T the item's own type.
template <class F, class T, class Pass, class R>
struct remote_task {
  static std::shared_ptr<const void> make(reader& in) {
    auto f = std::make_shared<const arrived_function<F>>(in);
    return std::shared_ptr<const void>(f, &f->get());
  }
  static T read(reader& item) {
    try {
      return codec<T>::read(item);
    } catch (...) {
      throw_payload_error("read_args", "an item could not be read in the worker", typeid(T).name());
    }
  }
  static void write(writer& out, const R& value) {
    try {
      codec<R>::write(out, value);
    } catch (...) {
      throw_payload_error("write_result", "a result could not be written in the worker", typeid(R).name());
    }
  }
  static void run(const void* function, reader& item, writer& out, engine::phase_marker& mark) {
    const F& f = *static_cast<const F*>(function);
    T value = read(item);
    mark.running();
    const R result(std::invoke(f, static_cast<Pass>(value)));
    mark.writing();
    write(out, result);
  }
  static const task_table* table() {
    static constexpr task_table it{&make, &run};
    return &it;
  }
};
template <class F, class T, class Pass>
struct remote_task<F, T, Pass, void> {
  static void run(const void* function, reader& item, writer&, engine::phase_marker& mark) {
    T value = remote_task<F, T, Pass, bool>::read(item);
    mark.running();
    std::invoke(*static_cast<const F*>(function), static_cast<Pass>(value));
    mark.writing();
  }
  static const task_table* table() {
    static constexpr task_table it{&remote_task<F, T, Pass, bool>::make, &run};
    return &it;
  }
};

/// The blob that `servant::define` gets: which task, which errors are worth another try, what the callable captured.
template <class F, class T, class Pass, class R>
void write_definition(writer& out, const F& f, const error_filter& retried) {
  write_function(out, &remote_task<F, T, Pass, R>::table);
  out.raw(static_cast<std::uint8_t>(retried.matcher() != nullptr));
  if (retried.matcher() != nullptr) write_function(out, retried.matcher());
  write_captures(out, f);
}

/// A worker's record of an exception, and the exception that the driver makes of it. `retried`: what the filter said
/// there.
void write_error(writer& out, const std::exception_ptr& e, bool retried);
[[nodiscard]] std::exception_ptr read_error(reader& in, bool& retried);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
