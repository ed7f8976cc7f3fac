// How a value crosses a process border.
//
// What travels: arithmetic types, enums, std::complex, std::chrono durations and time points, std::array, C arrays
// inside aggregates; strings, contiguous ranges, containers, maps; optional, variant, pair, tuple;
// std::filesystem::path; aggregates of all these (up to 32 members, walked by themselves); types with
// `serialize(Archive&)`, or `save(Archive&) const` and `load(Archive&)`, as written for cereal; types for which
// codec<T> is specialised. string_view and span travel as arguments, never as results. Refused by type: pointers,
// references, reference_wrapper, smart pointers, and what holds one of them.
//
//   template <> struct cm::codec<matrix> {
//     static void write(cm::writer& out, const matrix& m) { … }
//     static matrix read(cm::reader& in) { … }
//   };
//
// Performance: a memcpy for arithmetic types, aggregates of them, and contiguous ranges of either. Thread safety:
// static functions without state.
#pragma once
#include <concepts>
#include <string>
#include <type_traits>
#include <typeinfo>

#include "centimane/bytes.hpp"
#include "centimane/detail/archive.hpp"
#include "centimane/detail/codec_builtin.hpp"

namespace centimane {
inline namespace v0 {

/// How values of type T are written and read. Specialise it for a type of yours: write() may throw, read() throws
/// payload_error (as the reader does) for bytes that make no T.
template <class T>
struct codec : detail::builtin_codec<T, detail::form_of<T>()> {};

/// Can a T be written here and read there?
template <class T>
concept has_codec = requires(writer& w, reader& r, const T& v) {
  codec<T>::write(w, v);
  { codec<T>::read(r) } -> std::same_as<T>;
};

namespace detail {
/// Does a T only look into memory that somebody else owns? Then it cannot be a result.
template <class T>
constexpr bool borrows() {
  if constexpr (requires {
                  { codec<T>::borrows } -> std::convertible_to<bool>;
                }) {
    return codec<T>::borrows;
  } else {
    return false;
  }
}
template <class T>
inline constexpr bool can_return = std::is_void_v<T>;
template <class T>
requires(!std::is_void_v<T>) inline constexpr bool can_return<T> = has_codec<T> && !borrows<T>();

/// For errors at compile time: names T in the first line.
template <class T>
struct crosses_process_border {
  static_assert(has_codec<T>,
                "centimane: T cannot travel to a worker process: give it a codec<T> or serialize(Archive&), or run on "
                "cm::thread");
  static constexpr bool value = true;
};
}  // namespace detail

}  // namespace v0
}  // namespace centimane
