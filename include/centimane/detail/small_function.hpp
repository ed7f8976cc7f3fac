// A callable without arguments and result that is run at most once: what lies in a thread pool's queue. Callables of up
// to 48 bytes lie inline, larger ones (and those whose move may throw) behind one allocation. Move-only callables are
// welcome.
//
// Thread safety: none; each belongs to one thread at a time.
#pragma once
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace centimane {
inline namespace v0 {
namespace detail {

/// Says that an object may be moved by copying its bytes and forgetting the original.
template <class F>
inline constexpr bool moves_as_bytes = std::is_trivially_copyable_v<F>;

class small_function {
 public:
  static constexpr std::size_t inline_size = 48;

  small_function() noexcept = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, small_function>) explicit small_function(F&& f) {
    using callable = std::decay_t<F>;
    if constexpr (fits<callable>) {
      ::new (static_cast<void*>(memory_)) callable(std::forward<F>(f));
      acts_ = &inline_acts<callable>;
    } else {
      auto* held = new callable(std::forward<F>(f));
      std::memcpy(memory_, &held, sizeof held);
      acts_ = &heap_acts<callable>;
    }
  }
  small_function(small_function&& other) noexcept { take(other); }
  small_function& operator=(small_function&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~small_function() { reset(); }

  explicit operator bool() const noexcept { return acts_ != nullptr; }
  /// Runs the callable and destroys it, also if it throws. Precondition: not empty.
  void operator()() { std::exchange(acts_, nullptr)->run(memory_); }
  /// Destroys the callable without running it.
  void reset() noexcept {
    if (acts_ != nullptr) std::exchange(acts_, nullptr)->destroy(memory_);
  }

 private:
  struct acts {
    void (*run)(void*);                   ///< runs and destroys
    void (*move)(void*, void*) noexcept;  ///< from, to; null: the bytes are enough
    void (*destroy)(void*) noexcept;
  };
  template <class F>
  static constexpr bool fits = sizeof(F) <= inline_size &&
                               alignof(F) <= alignof(void*) && std::is_nothrow_move_constructible_v<F>;

  template <class F>
  static void run_inline(void* at) {
    struct guard {
      F* f;
      ~guard() { f->~F(); }
    } const here{std::launder(static_cast<F*>(at))};
    static_cast<void>(std::move(*here.f)());
  }
  template <class F>
  static void move_inline(void* from, void* to) noexcept {
    F* f = std::launder(static_cast<F*>(from));
    ::new (to) F(std::move(*f));
    f->~F();
  }
  template <class F>
  static void destroy_inline(void* at) noexcept {
    std::launder(static_cast<F*>(at))->~F();
  }
  template <class F>
  static F* held(void* at) noexcept {
    F* f;
    std::memcpy(&f, at, sizeof f);
    return f;
  }
  template <class F>
  static void run_held(void* at) {
    struct guard {
      F* f;
      ~guard() { delete f; }
    } const here{held<F>(at)};
    static_cast<void>(std::move(*here.f)());
  }
  template <class F>
  static void destroy_held(void* at) noexcept {
    delete held<F>(at);
  }
  template <class F>
  static constexpr acts inline_acts{&run_inline<F>, moves_as_bytes<F> ? nullptr : &move_inline<F>, &destroy_inline<F>};
  template <class F>
  static constexpr acts heap_acts{&run_held<F>, nullptr, &destroy_held<F>};

  void take(small_function& other) noexcept {
    acts_ = std::exchange(other.acts_, nullptr);
    if (acts_ == nullptr) return;
    if (acts_->move != nullptr) {
      acts_->move(other.memory_, memory_);
    } else {
      std::memcpy(memory_, other.memory_, inline_size);
    }
  }

  const acts* acts_ = nullptr;
  alignas(void*) std::byte memory_[inline_size];
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
