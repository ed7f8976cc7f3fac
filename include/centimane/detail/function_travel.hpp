// How a callable gets to a worker: as the address of code both have, and what it captured.
//
// Captures travel by codec where the callable is an aggregate or has serialize(); else, if it is trivially copyable
// (most lambdas), as its bytes, after a look at each aligned word: one that points into this process's writable memory
// is a captured pointer or reference and is refused. A callable that captured a string or a vector has neither: it
// cannot travel.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "centimane/codec.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Names a place in the program's text, or in that of a library it loaded, so that a worker finds it: module, build id,
/// offset.
void write_code_address(writer& out, const void* address);
/// The place in this process; loads the library if need be. Throws payload_error if it is not there or another build.
[[nodiscard]] const void* read_code_address(reader& in);

template <class Function>
requires std::is_function_v<Function>
void write_function(writer& out, Function* f) { write_code_address(out, reinterpret_cast<const void*>(f)); }
template <class Function>
requires std::is_function_v<Function>
[[nodiscard]] Function* read_function(reader& in) {
  return reinterpret_cast<Function*>(const_cast<void*>(read_code_address(in)));
}

/// Throws payload_error if an aligned word of the object points into writable memory of this process. Best effort: an
/// integer that looks like a pointer is refused too, a pointer hidden in one is not found. Cost: 0.1 ms.
void refuse_pointers(std::span<const std::byte> object, const char* mangled_type);

/// A function over the parts of a tuple, for parallel_starmap.
template <class F>
struct applied {
  F f;
  template <class Tuple>
  constexpr decltype(auto) operator()(const Tuple& parts) const {
    return std::apply(f, parts);
  }
};
template <class F>
inline constexpr bool is_applied = false;
template <class F>
inline constexpr bool is_applied<applied<F>> = true;

enum class captures : std::uint8_t { refused, none, function, wrapped, coded, opaque };

template <class F>
constexpr captures captures_of() {
  if constexpr (is_applied<F>) {
    return captures_of<decltype(F::f)>() == captures::refused ? captures::refused : captures::wrapped;
  } else if constexpr (std::is_pointer_v<F>) {
    return std::is_function_v<std::remove_pointer_t<F>> ? captures::function : captures::refused;
  } else if constexpr (std::is_member_pointer_v<F>) {
    return captures::opaque;  // an offset, or an address in text that driver and worker share
  } else if constexpr (is_reference_wrapper<F>) {
    return captures::refused;
  } else if constexpr (std::is_empty_v<F> && std::is_trivially_copyable_v<F>) {
    return captures::none;
  } else if constexpr (has_codec<F>) {
    return captures::coded;
  } else if constexpr (std::is_trivially_copyable_v<F>) {
    return captures::opaque;
  } else {
    return captures::refused;
  }
}

/// Can an F be given to another process?
template <class F>
inline constexpr bool function_travels = captures_of<F>() != captures::refused;

/// A callable rebuilt in a worker; memory of its own, so that F need not be default-constructible.
template <class F>
class arrived_function {
 public:
  explicit arrived_function(reader& in) {
    constexpr captures how = captures_of<F>();
    if constexpr (how == captures::coded) {
      ::new (static_cast<void*>(memory_)) F(codec<F>::read(in));
    } else if constexpr (how == captures::function) {
      ::new (static_cast<void*>(memory_)) F(read_function<std::remove_pointer_t<F>>(in));
    } else if constexpr (how == captures::wrapped) {
      ::new (static_cast<void*>(memory_)) F{arrived_function<decltype(F::f)>(in).get()};
    } else if constexpr (how == captures::none) {
      std::memset(memory_, 0, sizeof(F));
    } else {
      std::memcpy(memory_, in.bytes(sizeof(F)), sizeof(F));  // trivially copyable: its bytes are the object
    }
  }
  ~arrived_function() { std::destroy_at(const_cast<F*>(&get())); }
  arrived_function(const arrived_function&) = delete;
  arrived_function& operator=(const arrived_function&) = delete;
  [[nodiscard]] const F& get() const noexcept { return *std::launder(reinterpret_cast<const F*>(memory_)); }

 private:
  alignas(F) std::byte memory_[sizeof(F)];
};

/// Writes what `arrived_function<F>` reads. Throws payload_error for a captured pointer.
template <class F>
void write_captures(writer& out, const F& f) {
  constexpr captures how = captures_of<F>();
  if constexpr (how == captures::coded) {
    codec<F>::write(out, f);
  } else if constexpr (how == captures::function) {
    write_function(out, f);
  } else if constexpr (how == captures::wrapped) {
    write_captures(out, f.f);
  } else if constexpr (how == captures::opaque) {
    if constexpr (!std::is_member_pointer_v<F>) {
      refuse_pointers(std::as_bytes(std::span<const F, 1>(std::addressof(f), 1)), typeid(F).name());
    }
    out.bytes(std::addressof(f), sizeof(F));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
