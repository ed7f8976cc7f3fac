// One value that processes share.
//
//   cm::shared_value<long> done(0);
//   struct count_it { cm::shared_value<long> done; void operator()(int) const { done.update([](long& n) { ++n; }); } };
//   cm::parallel_map(count_it{done}, items, {.executor = cm::process});
//
// When to use: for a counter, a flag, a small record. For many elements use shared_array.
//
// Every operation is atomic. Of 1, 2, 4 or 8 bytes it is so by the processor, without a lock; what is larger has a lock
// beside it, and if a process ended while it changed the value, one operation throws owner_died: the value may be half
// written then. Copies are handles of one value, and travel to worker processes like any value.
//
// Performance: of up to 8 bytes that of std::atomic; else a lock (process_mutex.hpp) and a copy. Thread safety: all of
// it.
#pragma once
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "centimane/codec.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// The bytes of a value, and the lock beside them.
class value_memory {
 public:
  static std::shared_ptr<value_memory> make(std::size_t size);
  static std::shared_ptr<value_memory> read(reader& in, std::size_t size);
  virtual void write(writer& out) const = 0;
  [[nodiscard]] std::byte* data() const noexcept { return at_; }
  /// Throws owner_died.
  virtual void lock() = 0;
  virtual void unlock() noexcept = 0;

  value_memory(const value_memory&) = delete;
  value_memory& operator=(const value_memory&) = delete;
  virtual ~value_memory() = default;

 protected:
  explicit value_memory(std::byte* at) noexcept : at_(at) {}

 private:
  std::byte* at_;
};

template <class T>
inline constexpr bool by_processor = sizeof(T) <= 8 && std::has_single_bit(sizeof(T)) && alignof(T) <= 64;

}  // namespace detail

/// T is trivially copyable and holds no pointers: other processes have other addresses.
template <class T>
requires(std::is_trivially_copyable_v<T>&& std::copyable<T> && !std::is_pointer_v<T>) class shared_value {
 public:
  using value_type = T;

  /// Throws resource_limit, std::system_error.
  shared_value() : shared_value(T{}) {}
  explicit shared_value(const T& initial) : memory_(detail::value_memory::make(sizeof(T))) {
    std::memcpy(memory_->data(), &initial, sizeof(T));
  }

  [[nodiscard]] T load() const {
    if constexpr (detail::by_processor<T>) return from(word().load());
    const std::lock_guard held(*memory_);
    return stored();
  }
  void store(const T& value) const { (void)exchange(value); }
  /// Answers what it was.
  T exchange(const T& value) const {
    return update([&](T& it) { it = value; });
  }
  /// Changes it by `function(T&)` and answers what it was. Of up to 8 bytes the function may be called several times,
  /// on copies; of more, once, under the lock.
  template <std::invocable<T&> F>
  T update(F function) const {
    if constexpr (detail::by_processor<T>) {
      auto seen = word().load();
      for (;;) {
        T value = from(seen);
        function(value);
        if (word().compare_exchange_weak(seen, to(value))) return from(seen);
      }
    } else {
      const std::lock_guard held(*memory_);
      const T before = stored();
      T value = before;
      function(value);
      std::memcpy(memory_->data(), &value, sizeof(T));
      return before;
    }
  }
  /// Replaces `expected` by `desired`, both compared by their bytes; else `expected` becomes what is there.
  bool compare_exchange(T& expected, const T& desired) const {
    bool same = false;
    const T before = update([&](T& it) {
      same = std::memcmp(&it, &expected, sizeof(T)) == 0;
      if (same) it = desired;
    });
    if (!same) expected = before;
    return same;
  }

 private:
  friend struct codec<shared_value>;
  explicit shared_value(std::shared_ptr<detail::value_memory> memory) noexcept : memory_(std::move(memory)) {}

  template <std::size_t N>
  using unsigned_of = std::conditional_t<
      N == 1, unsigned char,
      std::conditional_t<N == 2, unsigned short, std::conditional_t<N == 4, unsigned int, unsigned long long>>>;
  using word_type = unsigned_of<sizeof(T)>;
  [[nodiscard]] std::atomic_ref<word_type> word() const noexcept {
    return std::atomic_ref<word_type>(*reinterpret_cast<word_type*>(memory_->data()));
  }
  static T from(word_type word) noexcept {
    T value;
    std::memcpy(&value, &word, sizeof(T));
    return value;
  }
  static word_type to(const T& value) noexcept {
    word_type word;
    std::memcpy(&word, &value, sizeof(T));
    return word;
  }
  [[nodiscard]] T stored() const noexcept {
    T value;
    std::memcpy(&value, memory_->data(), sizeof(T));
    return value;
  }
  std::shared_ptr<detail::value_memory> memory_;
};

template <class T>
struct codec<shared_value<T>> {
  static void write(writer& out, const shared_value<T>& value) { value.memory_->write(out); }
  static shared_value<T> read(reader& in) { return shared_value<T>(detail::value_memory::read(in, sizeof(T))); }
};

}  // namespace v0
}  // namespace centimane
