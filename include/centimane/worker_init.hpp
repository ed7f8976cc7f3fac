// A function that each worker process runs once, before its first task: `.worker_init = [] { open_database(); }`.
//
// What it captures must be able to travel (see codec.hpp). What it throws is a failed start: after five in ten seconds
// the run fails with start_failed and the message. Thread safety: a value.
#pragma once
#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <vector>

#include "centimane/detail/function_travel.hpp"

namespace centimane {
inline namespace v0 {

class worker_initializer {
 public:
  worker_initializer() = default;
  /// Throws payload_error if it captures a pointer into this process; does not compile if it cannot travel at all.
  template <class F>
  requires(std::invocable<const F&> && !std::same_as<F, worker_initializer>) worker_initializer(F f) {
    static_assert(detail::function_travels<F>,
                  "centimane: worker_init cannot travel to a worker process: let it capture plain values, or nothing");
    writer out;
    detail::write_function(out, &run<F>);
    detail::write_captures(out, f);
    packed_.assign(out.view().begin(), out.view().end());
  }
  explicit operator bool() const noexcept { return !packed_.empty(); }
  /// For runs.
  [[nodiscard]] const std::vector<std::byte>& packed() const noexcept { return packed_; }

 private:
  template <class F>
  static void run(reader& captures) {
    std::invoke(detail::arrived_function<F>(captures).get());
  }
  std::vector<std::byte> packed_;
};

namespace detail {
/// In a worker: runs what packed() made.
void run_initializer(reader packed);
}  // namespace detail

}  // namespace v0
}  // namespace centimane
