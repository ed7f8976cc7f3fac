// One function in a process of its own.
//
//   cm::child_process numbers(print_numbers, 10);        // begins at once, like a std::jthread
//   cm::child_process answer([](int n) { return n * n; }, 7);
//   numbers.join();
//   int result = answer.get();                          // 49, or what the function threw, or worker_died
//
// The process is forked by what init() left behind, so a program may start one whatever threads it has. It has the
// program's standard streams, its process group (Ctrl-C reaches both) and what main had set up before init(); it ends
// with the program, whatever ends that. Function, arguments and result must be able to travel (codec.hpp); a type that
// cannot is a compile-time error that names it.
//
// Thread safety: one thread at a time for one object. Cost: half a millisecond to start and join; a descriptor while
// the object lives. The first also forks a zygote, which goes with the last.
#pragma once
#include <sys/types.h>

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "centimane/numbers.hpp"
#include "centimane/process_pool.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// The process, types forgotten.
class child_handle {
 public:
  /// Starts one that runs what `task` holds. Throws start_failed, resource_limit, nesting_error.
  child_handle(table_of_task* how, const writer& task);
  ~child_handle();  ///< asks it to end (SIGTERM), kills it after a second
  child_handle(const child_handle&) = delete;
  child_handle& operator=(const child_handle&) = delete;

  void join();
  bool join_for(time_span how_long);
  [[nodiscard]] std::optional<int> exit_code();
  void signal(int number);
  [[nodiscard]] pid_t pid() const noexcept;
  [[nodiscard]] int sentinel() const noexcept;
  /// Joins; the value that it has written. Throws what the function threw; worker_died if it left neither.
  [[nodiscard]] reader result();

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace detail

/// R: what the function returns; the arguments of the constructor tell.
template <class R = void>
class child_process {
 public:
  /// Starts a process that calls f(args...) with its own copies. Throws payload_error for what cannot be written,
  /// start_failed (see init.hpp), resource_limit.
  template <class F, class... A>
  requires(detail::callable_with<F, A...> &&
           !std::same_as<std::decay_t<F>, child_process>) explicit child_process(F&& f, A&&... args) {
    static_assert(std::same_as<R, detail::submitted_result_t<F, A...>>, "centimane: R is what f returns");
    if constexpr (detail::function_crosses_process_border<std::decay_t<F>>::value &&
                  detail::result_crosses_process_border<R>::value &&
                  (detail::crosses_process_border<std::decay_t<A>>::value && ...)) {
      const std::decay_t<F>& callable = f;
      writer out;
      detail::write_captures<std::decay_t<F>>(out, callable);
      (write_argument<std::decay_t<A>>(out, args), ...);
      it_ = std::make_unique<detail::child_handle>(
          &detail::submitted_task<R, std::decay_t<F>, std::decay_t<A>...>::table, out);
    }
  }
  child_process(child_process&&) noexcept = default;
  child_process& operator=(child_process&&) noexcept = default;
  /// A process that still runs is asked to end (SIGTERM) and killed a second later: join() or get() first if its work
  /// matters. What it threw and nobody fetched is logged as a warning.
  ~child_process() = default;

  /// Waits until it has ended, however it does.
  void join() { it_->join(); }
  /// The same for a time. False: it still runs.
  bool join_for(time_span how_long) { return it_->join_for(how_long); }
  /// What the function returned. Waits; once. Throws what the function threw, standard exceptions as themselves, others
  /// as remote_error; worker_died if the process ended in another way.
  R get() {
    reader result = it_->result();
    if constexpr (!std::is_void_v<R>) return codec<R>::read(result);
  }
  [[nodiscard]] bool is_alive() { return !it_->exit_code().has_value(); }
  /// Nothing while it runs; 0 after a return, 1 after an exception, what it gave to exit(), -N if signal N ended it.
  [[nodiscard]] std::optional<int> exit_code() { return it_->exit_code(); }
  /// Sends SIGTERM; never to a stranger. No error if it has ended.
  void terminate() { it_->signal(15); }
  /// Sends SIGKILL.
  void kill() { it_->signal(9); }
  [[nodiscard]] pid_t pid() const noexcept { return it_->pid(); }
  /// A descriptor that is readable from its end on, for poll().
  [[nodiscard]] int native_handle() const noexcept { return it_->sentinel(); }

 private:
  template <class T, class U>
  static void write_argument(writer& out, const U& value) {
    const T& own = value;
    codec<T>::write(out, own);
  }
  std::unique_ptr<detail::child_handle> it_;
};

template <class F, class... A>
requires detail::callable_with<F, A...> child_process(F&&, A&&...)
->child_process<detail::submitted_result_t<F, A...>>;

}  // namespace v0
}  // namespace centimane
