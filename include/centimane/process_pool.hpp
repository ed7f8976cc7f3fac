// A pool of worker processes of your own: single tasks, or runs with `.executor = pool`.
//
//   cm::process_pool pool(4, {.worker_init = [] { open_database(); }});
//   cm::future<int> answer = pool.submit(crunch, 7);
//   auto all = cm::parallel_map(crunch, inputs, {.executor = pool});
//
// Function, arguments and result must be able to travel (codec.hpp); a type that cannot is a compile-time error that
// names it. Performance: one allocation and a few microseconds a task while workers are awake; runs with many small
// items belong to parallel_map. Thread safety: any thread may submit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "centimane/detail/map_payload.hpp"
#include "centimane/detail/remote_task.hpp"
#include "centimane/future.hpp"
#include "centimane/options.hpp"
#include "centimane/parallel.hpp"

namespace centimane::engine {
class pool;
}

namespace centimane {
inline namespace v0 {

namespace detail {

template <class F>
struct function_crosses_process_border {
  static_assert(
      function_travels<F>,
      "centimane: F cannot travel to a worker process: let it capture plain values only, make it an aggregate, "
      "or give it serialize(Archive&)");
  static constexpr bool value = true;
};
template <class R>
struct result_crosses_process_border {
  static_assert(
      can_return<R>,
      "centimane: R cannot come back from a worker process: return what owns its memory and has a codec<T> or "
      "serialize(Archive&)");
  static constexpr bool value = true;
};

/// A task with everything it needs in its record: the callable's captures, then the arguments.
template <class R, class F, class... A>
struct submitted_task {
  static std::shared_ptr<const void> make(reader&) { return nullptr; }
  static std::tuple<A...> read(reader& in) {
    try {
      return std::tuple<A...>{codec<A>::read(in)...};
    } catch (...) {
      throw_payload_error("read_args", "an argument could not be read in the worker", typeid(std::tuple<A...>).name());
    }
  }
  static void run(const void*, reader& in, writer& out, engine::phase_marker& mark) {
    arrived_function<F> f(in);
    std::tuple<A...> arguments = read(in);
    mark.running();
    auto call = [&](A&... a) -> decltype(auto) { return std::invoke(f.get(), std::move(a)...); };
    if constexpr (std::is_void_v<R>) {
      std::apply(call, arguments);
      mark.writing();
    } else {
      const R result(std::apply(call, arguments));
      mark.writing();
      remote_task<F, int, const int&, R>::write(out, result);
    }
  }
  static const task_table* table() {
    static constexpr task_table it{&make, &run};
    return &it;
  }
};

/// A submitted task's bytes until it is sent. Few of them lie inline: then a task costs no allocation but its state.
class task_record {
 public:
  /// Leaves `from` empty, if it can with its memory.
  void take(writer& from) {
    size_ = from.size();
    if (size_ <= sizeof small_) {
      if (size_ != 0) std::memcpy(small_, from.data(), size_);
      from.clear();
    } else {
      large_ = std::exchange(from, writer());
    }
  }
  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    return size_ <= sizeof small_ ? std::span<const std::byte>(small_, size_) : large_.view();
  }
  void drop() noexcept {
    if (size_ > sizeof small_) large_ = writer();
    size_ = 0;
  }

 private:
  std::size_t size_ = 0;
  std::byte small_[48];
  writer large_;
};

/// Lends this thread's writer to one submit at a time; a codec that submits gets another.
class borrowed_writer {
 public:
  borrowed_writer() noexcept : mine_(std::exchange(kept(), writer())) {}
  borrowed_writer(const borrowed_writer&) = delete;
  borrowed_writer& operator=(const borrowed_writer&) = delete;
  ~borrowed_writer() {
    mine_.clear();
    kept() = std::move(mine_);
  }
  [[nodiscard]] writer& get() noexcept { return mine_; }

 private:
  static writer& kept() noexcept {
    static thread_local writer one;
    return one;
  }
  writer mine_;
};

/// The result of a submitted task, as its pool sees it.
class submitted_state {
 public:
  virtual void read(reader in) = 0;  ///< the value; throws what the codec throws
  virtual future_state& state() noexcept = 0;
  task_record record;               ///< until it is sent
  std::shared_ptr<attendant> home;  ///< the pool, which whoever waits attends

 protected:
  ~submitted_state() = default;
};
template <class R>
class remote_state final : public state_of<R>, public submitted_state {
 public:
  ~remote_state() override = default;
  remote_state() : state_of<R>(1) {}  // the future's hold; the pool adds its own
  void read([[maybe_unused]] reader in) override {
    if constexpr (!std::is_void_v<R>) this->set(codec<R>::read(in));
  }
  future_state& state() noexcept override { return *this; }
  /// A thread pool's worker rather runs its pool's other tasks: the process pool's settling thread fetches for it.
  [[nodiscard]] attendant* attended_by() noexcept override { return helper() == nullptr ? home.get() : nullptr; }
};
class submissions;
/// Can a worker call its own copy of F with its own copies of A?
template <class F, class... A>
inline constexpr bool callable_with = std::is_invocable_v<const std::decay_t<F>&, std::decay_t<A>...>;
template <class F, class... A>
using submitted_result_t = std::remove_cvref_t<std::invoke_result_t<const std::decay_t<F>&, std::decay_t<A>...>>;
[[nodiscard]] std::shared_ptr<engine::pool> engine_pool_of(const process_pool& pool);
}  // namespace detail

/// What a process_pool is made with.
struct process_pool_options {
  worker_initializer worker_init = {};         ///< once in each worker, before its first task
  count max_tasks_per_worker = 0;              ///< a worker is replaced after that many; 0: never
  std::optional<time_span> task_timeout = {};  ///< for each submitted task
};

class process_pool {
 public:
  /// 0 workers: cpu_count() of them. Workers start with the first task. Throws start_failed (see init.hpp),
  /// resource_limit.
  explicit process_pool(count workers = 0, const process_pool_options& how = {});
  /// close(), then cancels what has not begun, waits three seconds for what runs, kills.
  ~process_pool();
  process_pool(const process_pool&) = delete;
  process_pool& operator=(const process_pool&) = delete;

  /// Runs f(args...) on a worker. Throws payload_error for what cannot be written, pool_closed, pool_forked. What the
  /// task throws is thrown by get(), standard exceptions as themselves, others as remote_error.
  template <class F, class... A>
  requires detail::callable_with<F, A...> future<detail::submitted_result_t<F, A...>> submit(F&& f, A&&... args) {
    using R = detail::submitted_result_t<F, A...>;
    if constexpr (detail::function_crosses_process_border<std::decay_t<F>>::value &&
                  detail::result_crosses_process_border<R>::value &&
                  (detail::crosses_process_border<std::decay_t<A>>::value && ...)) {
      auto state = std::make_unique<detail::remote_state<R>>();
      const std::decay_t<F>& callable = f;
      detail::borrowed_writer out;
      detail::write_captures<std::decay_t<F>>(out.get(), callable);
      (write_argument<std::decay_t<A>>(out.get(), args), ...);
      state->record.take(out.get());
      detail::submitted_state& task = *state;
      auto result = detail::future_access::make<R>(static_cast<detail::state_of<R>*>(state.release()));
      send(task, &detail::submitted_task<R, std::decay_t<F>, std::decay_t<A>...>::table);
      return result;
    }
  }

  /// parallel_map on this pool.
  template <class F, class Rng>
  requires mappable<F, Rng>
  [[nodiscard]] parallel_result<detail::result_t<F, Rng>> map(F&& f, Rng&& items,
                                                              map_options<detail::result_t<F, Rng>> how = {}) {
    how.executor = *this;
    return parallel_map(std::forward<F>(f), std::forward<Rng>(items), how);
  }

  /// Refuses new tasks from now on; those submitted go on.
  void close() noexcept;
  /// Closes, waits until every submitted task has ended; then the workers leave.
  void join();
  /// Closes, cancels what has not begun, kills what runs (its futures end in worker_died or cancelled).
  void terminate();
  [[nodiscard]] std::size_t workers() const noexcept;

 private:
  friend std::shared_ptr<engine::pool> detail::engine_pool_of(const process_pool& pool);
  template <class T, class U>
  static void write_argument(writer& out, const U& value) {
    const T& own = value;
    codec<T>::write(out, own);
  }
  void send(detail::submitted_state& what, detail::table_of_task* how);
  std::shared_ptr<detail::submissions> core_;
};

}  // namespace v0
}  // namespace centimane
