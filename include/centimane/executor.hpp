// Where attempts run.
//
//   cm::parallel_map(f, items, {.executor = cm::process});       // a constant …
//   cm::parallel_map(f, items, {.executor = my_pool});           // … or a pool of yours
//
// Cost: a word and a pointer. Thread safety: a value.
#pragma once
#include <cstdint>

namespace centimane {
inline namespace v0 {

class thread_pool;
class process_pool;

/// A value; one of the three constants below, or a pool of yours, which must outlive the run.
class executor {
 public:
  enum class kind : std::uint8_t { sequential, thread, process };
  constexpr explicit executor(kind k) noexcept : kind_(k) {}
  constexpr executor(thread_pool& pool) noexcept : kind_(kind::thread), pool_(&pool) {}
  constexpr executor(process_pool& pool) noexcept : kind_(kind::process), pool_(&pool) {}
  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  /// The thread_pool or process_pool, by which(); null for centimane's own.
  [[nodiscard]] constexpr void* pool() const noexcept { return pool_; }

 private:
  kind kind_;
  void* pool_ = nullptr;
};

/// On the calling thread, in order.
inline constexpr executor sequential{executor::kind::sequential};
/// On threads of this process.
inline constexpr executor thread{executor::kind::thread};
/// On worker processes; call init() first in main.
inline constexpr executor process{executor::kind::process};

}  // namespace v0
}  // namespace centimane
