// A C++ run's side of item keys and of its checkpoint: which row each item has, and what of it is there already. Knows
// bytes, not types.
//
// Thread safety: the run's own thread.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "centimane/checkpoint.hpp"
#include "centimane/detail/words.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class admission {
 public:
  /// Either may be missing. `function`: whose results the file must hold. Throws checkpoint_error.
  admission(const checkpoint* file, item_key key, const std::string& function);
  ~admission();
  admission(const admission&) = delete;
  admission& operator=(const admission&) = delete;

  [[nodiscard]] bool recording() const noexcept;
  /// The item at that address has come; `encoded` is what its codec writes. True: its value is known, as its codec
  /// wrote it. Throws checkpoint_error, and what the key's function throws.
  bool admit(policy::index item, const void* address, std::span<const std::byte> encoded,
             std::vector<std::byte>& value);
  /// A value, as its codec writes it, for the next write().
  void keep(policy::index item, std::span<const std::byte> value);
  /// Records what was kept. On return it outlives this process. Throws checkpoint_error.
  void write();
  /// The item has settled without a value.
  void failed(policy::index item) noexcept;
  /// Empty without an item_key. Valid until forget(item).
  [[nodiscard]] std::string_view key_of(policy::index item) const;
  void forget(policy::index item) noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// The name of a function of that type in a checkpoint. Throws std::invalid_argument if the type does not tell one
/// function from another and `file` does not name it.
[[nodiscard]] std::string function_identity(const checkpoint& file, bool type_tells, const std::type_info& function,
                                            const std::type_info& item, const std::type_info& result);

/// Does the type of a callable say which function it is? Not that of a pointer, or of what may hold any function.
template <class F>
inline constexpr bool type_tells = std::is_class_v<F>;
template <class S>
inline constexpr bool type_tells<std::function<S>> = false;

}  // namespace detail
}  // namespace v0
}  // namespace centimane
