// The codecs that come with centimane. Each type has one form, found at compile time; a type without a form has no
// codec.
//
// Bytes are the machine's own: driver and worker are one program. Lengths are 64 bits and checked against what is left
// before anything is allocated, so every element takes at least one byte.
#pragma once
#include <array>
#include <chrono>
#include <complex>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "centimane/detail/archive.hpp"
#include "centimane/detail/fields.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

[[noreturn]] void throw_bad_record(const char* what);
/// Memory that an argument (a span) looks into, kept until the task that it belongs to has ended.
[[nodiscard]] std::byte* lend(std::size_t bytes, std::size_t alignment);
/// Frees what was lent on this thread. Called by whoever ran the task.
void end_loans() noexcept;

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;
template <class T>
inline constexpr bool is_chrono = false;
template <class R, class P>
inline constexpr bool is_chrono<std::chrono::duration<R, P>> = std::is_arithmetic_v<R>;
template <class C, class D>
inline constexpr bool is_chrono<std::chrono::time_point<C, D>> = is_chrono<D>;
template <class T>
struct is_array_class : std::false_type {};
template <class T, std::size_t N>
struct is_array_class<std::array<T, N>> : std::true_type {
  using element = T;
};
template <class T>
struct is_tuple : std::false_type {};
template <class... T>
struct is_tuple<std::tuple<T...>> : std::true_type {
  using parts = type_list<std::remove_cv_t<T>...>;
};
template <class A, class B>
struct is_tuple<std::pair<A, B>> : std::true_type {
  using parts = type_list<std::remove_cv_t<A>, std::remove_cv_t<B>>;
};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_variant : std::false_type {};
template <class... T>
struct is_variant<std::variant<T...>> : std::true_type {
  using parts = type_list<T...>;
};
template <class T>
struct is_string : std::false_type {};
template <class C, class A>
struct is_string<std::basic_string<C, std::char_traits<C>, A>> : std::true_type {};
template <class T>
struct is_string_view : std::false_type {};
template <class C>
struct is_string_view<std::basic_string_view<C>> : std::true_type {};
template <class T>
struct is_span : std::false_type {};
template <class T>
struct is_span<std::span<T>> : std::true_type {};
template <class T>
struct is_smart_pointer : std::false_type {};
template <class T>
requires requires {
  typename T::element_type;
  typename T::pointer;
} && requires(const T& t) {
  t.get();
  *t;
}
struct is_smart_pointer<T> : std::true_type {};
template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

template <class T>
concept path_like = requires(const T& t) {
  typename T::string_type;
  { t.native() } -> std::same_as<const typename T::string_type&>;
  T(t.native());
};
/// A container that is read by adding at its end or by inserting.
template <class T>
concept container = std::ranges::input_range<const T> && std::is_default_constructible_v<T> && requires(T& t) {
  typename T::value_type;
  { t.size() } -> std::convertible_to<std::size_t>;
} &&(
    requires(T& t, typename T::value_type v) { t.push_back(std::move(v)); } ||
    requires(T & t, typename T::value_type v) { t.insert(t.end(), std::move(v)); } ||
    requires(T & t, typename T::value_type v) { t.insert(std::move(v)); });
template <class T>
concept forward_list_like = std::ranges::forward_range<const T> && std::is_default_constructible_v<T> &&
    requires(T& t, typename T::value_type v) {
  t.insert_after(t.before_begin(), std::move(v));
};
/// Elements of a map are read as pairs with a key that is not const.
template <class T>
struct element_of {
  using type = typename T::value_type;
};
template <class T>
requires requires {
  typename T::mapped_type;
  typename T::key_type;
}
struct element_of<T> {
  using type = std::pair<typename T::key_type, typename T::mapped_type>;
};
template <class T>
using element_t = typename element_of<T>::type;

template <class T>
constexpr bool travels();

template <class List>
struct each_of;
template <class... T>
struct each_of<type_list<T...>> {
  template <class U>
  static constexpr bool member_travels() {
    if constexpr (std::is_reference_v<U> || std::is_volatile_v<U>) {
      return false;
    } else if constexpr (std::is_array_v<U>) {
      return travels<std::remove_cv_t<std::remove_all_extents_t<U>>>();
    } else {
      return travels<std::remove_cv_t<U>>();
    }
  }
  static constexpr bool travel() { return (member_travels<T>() && ...); }
  template <template <class> class P>
  static constexpr bool all = (P<std::remove_cv_t<std::remove_all_extents_t<T>>>::value && ...);
  template <template <class> class P>
  static constexpr bool any = (P<std::remove_cv_t<std::remove_all_extents_t<T>>>::value || ...);
};

enum class form : std::uint8_t {
  none,
  bulk,      ///< its bytes
  member,    ///< serialize()
  halves,    ///< save() and load()
  function,  ///< serialize(archive, value) found beside it
  text,      ///< string
  text_view,
  view,  ///< span
  path,
  array,
  tuple,
  optional,
  variant,
  container,
  forward_list,
  empty,
  aggregate
};

template <class T>
constexpr bool is_bulk();
template <class T>
struct bulk_trait : std::bool_constant<is_bulk<T>()> {};

template <class T>
constexpr bool has_own_serializer() {
  return serializable_by_member<T> || serializable_by_halves<T> || serializable_by_function<T>;
}

/// Travels as its bytes: holds nothing but numbers.
template <class T>
constexpr bool is_bulk() {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || is_complex<T> || is_chrono<T>) {
    return true;
  } else if constexpr (is_array_class<T>::value) {
    if constexpr (std::tuple_size_v<T> == 0)
      return false;
    else
      return is_bulk<std::remove_cv_t<typename is_array_class<T>::element>>();
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    return true;
  } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T> && std::is_trivially_copyable_v<T> &&
                       std::is_default_constructible_v<T> && !has_own_serializer<T>()) {
    if constexpr (members<T>() == 0)
      return false;
    else
      return each_of<member_types<T>>::template all<bulk_trait>;
  } else {
    return false;
  }
}

template <class T>
constexpr form form_of() {
  if constexpr (!std::is_object_v<T> || std::is_const_v<T> || std::is_volatile_v<T> || std::is_pointer_v<T> ||
                std::is_member_pointer_v<T> || std::is_array_v<T> || std::is_union_v<T> || std::is_null_pointer_v<T> ||
                is_reference_wrapper<T>) {
    return form::none;
  } else if constexpr (serializable_by_member<T>) {
    return form::member;
  } else if constexpr (serializable_by_halves<T>) {
    return form::halves;
  } else if constexpr (serializable_by_function<T>) {
    return form::function;
  } else if constexpr (is_bulk<T>()) {
    return form::bulk;
  } else if constexpr (is_string<T>::value) {
    return form::text;
  } else if constexpr (is_string_view<T>::value) {
    return form::text_view;
  } else if constexpr (is_span<T>::value) {
    return is_bulk<std::remove_cv_t<typename T::element_type>>() ? form::view : form::none;
  } else if constexpr (is_smart_pointer<T>::value) {
    return form::none;
  } else if constexpr (path_like<T>) {
    return form::path;
  } else if constexpr (is_array_class<T>::value) {
    if constexpr (std::tuple_size_v<T> == 0)
      return form::empty;
    else
      return travels<std::remove_cv_t<typename is_array_class<T>::element>>() ? form::array : form::none;
  } else if constexpr (is_tuple<T>::value) {
    if constexpr (is_tuple<T>::parts::size == 0)
      return form::empty;
    else
      return each_of<typename is_tuple<T>::parts>::travel() ? form::tuple : form::none;
  } else if constexpr (is_optional<T>::value) {
    return travels<typename T::value_type>() ? form::optional : form::none;
  } else if constexpr (is_variant<T>::value) {
    return each_of<typename is_variant<T>::parts>::travel() ? form::variant : form::none;
  } else if constexpr (forward_list_like<T>) {
    return travels<element_t<T>>() ? form::forward_list : form::none;
  } else if constexpr (container<T>) {
    return travels<element_t<T>>() ? form::container : form::none;
  } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T>) {
    if constexpr (std::is_empty_v<T>)
      return std::is_default_constructible_v<T> ? form::empty : form::none;
    else if constexpr (members<T>() == 0)
      return form::none;
    else
      return each_of<member_types<T>>::travel() ? form::aggregate : form::none;
  } else {
    return form::none;
  }
}

/// Has T a codec, built in or specialised?
template <class T>
constexpr bool travels() {
  return requires(writer & w, reader & r, const T& v) {
    codec<T>::write(w, v);
    { codec<T>::read(r) } -> std::same_as<T>;
  };
}
template <class T>
struct borrow_trait {
  static constexpr bool get() {
    if constexpr (requires { codec<T>::borrows; })
      return codec<T>::borrows;
    else
      return false;
  }
  static constexpr bool value = get();
};

inline void write_length(writer& out, std::size_t n) { out.raw(static_cast<std::uint64_t>(n)); }
/// The number of elements that follow, each of at least `least` bytes.
inline std::size_t read_length(reader& in, std::size_t least = 1) {
  auto n = in.raw<std::uint64_t>();
  if (n > in.remaining() / least) throw_bad_record("a length in it is longer than the record");
  return static_cast<std::size_t>(n);
}

/// A run of n elements that travel as their bytes; it may lie beside the record, so n is checked as it is read.
template <class Element>
void write_run(writer& out, const Element* from, std::size_t n) {
  write_length(out, n);
  out.bulk(from, n * sizeof(Element));
}
template <class Element>
std::size_t read_run_length(reader& in) {
  auto n = in.raw<std::uint64_t>();
  if (n > SIZE_MAX / sizeof(Element)) throw_bad_record("a length in it is longer than memory");
  return static_cast<std::size_t>(n);
}
/// Reads a run into a new container, in one pass over the memory where the bytes lie aligned.
template <class T, class Element>
T read_run(reader& in) {
  const std::size_t n = read_run_length<Element>(in);
  const std::byte* at = in.bulk(n * sizeof(Element)).data;
  const auto* from = reinterpret_cast<const Element*>(at);
  if constexpr (std::is_constructible_v<T, const Element*, const Element*>) {
    if (reinterpret_cast<std::uintptr_t>(at) % alignof(Element) == 0) return T(from, from + n);
  }
  T v;
  v.resize(n);
  if (n != 0) std::memcpy(static_cast<void*>(std::ranges::data(v)), at, n * sizeof(Element));
  return v;
}

template <class T, form F>
struct builtin_codec {};

template <class T>
struct builtin_codec<T, form::bulk> {
  static void write(writer& out, const T& v) { out.bytes(std::addressof(v), sizeof(T)); }
  static T read(reader& in) {
    if constexpr (std::is_same_v<T, bool>) {
      return *in.bytes(1) != std::byte{0};
    } else {
      T v{};
      std::memcpy(static_cast<void*>(std::addressof(v)), in.bytes(sizeof(T)), sizeof(T));
      return v;
    }
  }
};

template <class T>
struct builtin_codec<T, form::member> {
  static void write(writer& out, const T& v) {
    output_archive to(out);
    const_cast<T&>(v).serialize(to);  // cereal's convention: not const, and does not change what it saves
  }
  static T read(reader& in) {
    input_archive from(in);
    T v;
    v.serialize(from);
    return v;
  }
};
template <class T>
struct builtin_codec<T, form::halves> {
  static void write(writer& out, const T& v) {
    output_archive to(out);
    v.save(to);
  }
  static T read(reader& in) {
    input_archive from(in);
    T v;
    v.load(from);
    return v;
  }
};
template <class T>
struct builtin_codec<T, form::function> {
  static void write(writer& out, const T& v) {
    output_archive to(out);
    serialize(to, const_cast<T&>(v));
  }
  static T read(reader& in) {
    input_archive from(in);
    T v;
    serialize(from, v);
    return v;
  }
};

template <class T>
struct builtin_codec<T, form::text> {
  using unit = typename T::value_type;
  static void write(writer& out, const T& v) { write_run<unit>(out, v.data(), v.size()); }
  static T read(reader& in) { return read_run<T, unit>(in); }
};

/// What is looked into stays for the time of the task: in the record or beside it if it lies aligned there and may be
/// used as it is wanted, else lent.
template <class Element>
const Element* borrow(reader& in, std::size_t n, bool may_be_written) {
  const auto [at, own] = in.bulk(n * sizeof(Element));
  if ((own || !may_be_written) && reinterpret_cast<std::uintptr_t>(at) % alignof(Element) == 0) {
    return reinterpret_cast<const Element*>(at);
  }
  std::byte* copy = lend(n * sizeof(Element), alignof(Element));
  if (n != 0) std::memcpy(copy, at, n * sizeof(Element));
  return reinterpret_cast<const Element*>(copy);
}
template <class T>
struct builtin_codec<T, form::text_view> {
  using unit = typename T::value_type;
  static constexpr bool borrows = true;
  static void write(writer& out, const T& v) { write_run<unit>(out, v.data(), v.size()); }
  static T read(reader& in) {
    std::size_t n = read_run_length<unit>(in);
    return T(borrow<unit>(in, n, false), n);
  }
};
template <class T>
struct builtin_codec<T, form::view> {
  using element = std::remove_cv_t<typename T::element_type>;
  static constexpr bool borrows = true;
  static void write(writer& out, const T& v) { write_run<element>(out, v.data(), v.size()); }
  static T read(reader& in) {
    std::size_t n = read_run_length<element>(in);
    return T(const_cast<element*>(borrow<element>(in, n, !std::is_const_v<typename T::element_type>)), n);
  }
};

template <class T>
struct builtin_codec<T, form::path> {
  static void write(writer& out, const T& v) { codec<typename T::string_type>::write(out, v.native()); }
  static T read(reader& in) { return T(codec<typename T::string_type>::read(in)); }
};

/// One member or element into its place; a C array element by element.
template <class T>
void write_part(writer& out, const T& v) {
  if constexpr (std::is_array_v<T>) {
    for (const auto& e : v) write_part(out, e);
  } else {
    codec<std::remove_cv_t<T>>::write(out, v);
  }
}
template <class T>
void read_part(reader& in, T& v) {
  if constexpr (std::is_array_v<T>) {
    for (auto& e : v) read_part(in, e);
  } else {
    v = codec<T>::read(in);
  }
}

template <class T>
struct builtin_codec<T, form::array> {
  using element = std::remove_cv_t<typename is_array_class<T>::element>;
  static constexpr bool borrows = borrow_trait<element>::value;
  static void write(writer& out, const T& v) {
    for (const auto& e : v) codec<element>::write(out, e);
  }
  static T read(reader& in) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return T{((void)I, codec<element>::read(in))...}; }
    (std::make_index_sequence<std::tuple_size_v<T>>{});
  }
};

template <class T>
struct builtin_codec<T, form::tuple> {
  static constexpr bool borrows = each_of<typename is_tuple<T>::parts>::template any<borrow_trait>;
  static void write(writer& out, const T& v) {
    std::apply([&](const auto&... part) { (codec<std::remove_cvref_t<decltype(part)>>::write(out, part), ...); }, v);
  }
  static T read(reader& in) { return read_parts(in, typename is_tuple<T>::parts{}); }

 private:
  template <class... P>
  static T read_parts(reader& in, type_list<P...>) {
    return T{codec<P>::read(in)...};  // braces: read in order
  }
};

template <class T>
struct builtin_codec<T, form::optional> {
  using held = typename T::value_type;
  static constexpr bool borrows = borrow_trait<held>::value;
  static void write(writer& out, const T& v) {
    out.raw(static_cast<std::uint8_t>(v.has_value()));
    if (v) codec<held>::write(out, *v);
  }
  static T read(reader& in) {
    if (in.raw<std::uint8_t>() == 0) return std::nullopt;
    return T(codec<held>::read(in));
  }
};

template <class T>
struct builtin_codec<T, form::variant> {
  static constexpr bool borrows = each_of<typename is_variant<T>::parts>::template any<borrow_trait>;
  static void write(writer& out, const T& v) {
    if (v.valueless_by_exception()) throw_bad_record("a variant without a value cannot be written");
    out.raw(static_cast<std::uint32_t>(v.index()));
    std::visit([&](const auto& held) { codec<std::remove_cvref_t<decltype(held)>>::write(out, held); }, v);
  }
  static T read(reader& in) { return read_at<0>(in, in.raw<std::uint32_t>()); }

 private:
  template <std::size_t I>
  static T read_at(reader& in, std::size_t which) {
    if constexpr (I == std::variant_size_v<T>) {
      throw_bad_record("it names an alternative that its variant does not have");
    } else {
      if (which == I) return T(std::in_place_index<I>, codec<std::variant_alternative_t<I, T>>::read(in));
      return read_at<I + 1>(in, which);
    }
  }
};

template <class T>
struct builtin_codec<T, form::container> {
  using element = std::remove_cv_t<element_t<T>>;
  static constexpr bool borrows = borrow_trait<element>::value;
  static constexpr bool dense =
      std::ranges::contiguous_range<T> && is_bulk<element>() && !std::is_same_v<element, bool> && requires(T & t) {
    t.resize(std::size_t{});
  };
  static void write(writer& out, const T& v) {
    if constexpr (dense) {
      write_run<element>(out, std::ranges::data(v), v.size());
    } else {
      write_length(out, v.size());
      for (const auto& e : v) {
        if constexpr (std::is_same_v<element, typename T::value_type>) {
          const element& one = e;  // a proxy (vector<bool>) becomes its value
          codec<element>::write(out, one);
        } else {
          codec<typename T::key_type>::write(out, e.first);
          codec<typename T::mapped_type>::write(out, e.second);
        }
      }
    }
  }
  static T read(reader& in) {
    if constexpr (dense) {
      return read_run<T, element>(in);
    } else {
      std::size_t n = read_length(in);
      T v;
      for (std::size_t i = 0; i < n; ++i) {
        if constexpr (requires(element e) { v.push_back(std::move(e)); }) {
          v.push_back(codec<element>::read(in));
        } else if constexpr (requires(element e) { v.insert(v.end(), std::move(e)); }) {
          v.insert(v.end(), codec<element>::read(in));
        } else {
          v.insert(codec<element>::read(in));
        }
      }
      return v;
    }
  }
};

template <class T>
struct builtin_codec<T, form::forward_list> {
  using element = typename T::value_type;
  static constexpr bool borrows = borrow_trait<element>::value;
  static void write(writer& out, const T& v) {
    write_length(out, static_cast<std::size_t>(std::ranges::distance(v)));
    for (const auto& e : v) codec<element>::write(out, e);
  }
  static T read(reader& in) {
    std::size_t n = read_length(in);
    T v;
    auto at = v.before_begin();
    for (std::size_t i = 0; i < n; ++i) at = v.insert_after(at, codec<element>::read(in));
    return v;
  }
};

/// One byte, so that a length can be checked against the record.
template <class T>
struct builtin_codec<T, form::empty> {
  static void write(writer& out, const T&) { out.raw(std::uint8_t{0}); }
  static T read(reader& in) {
    in.bytes(1);
    return T{};
  }
};

template <class T>
struct builtin_codec<T, form::aggregate> {
  using parts = member_types<T>;
  static constexpr bool borrows = each_of<parts>::template any<borrow_trait>;
  static void write(writer& out, const T& v) {
    see_members(v, [&](auto, const auto&... part) { (write_part(out, part), ...); });
  }
  static T read(reader& in) {
    if constexpr (assignable(parts{}) && std::is_default_constructible_v<T>) {
      T v{};
      see_members(v, [&](auto, auto&... part) { (read_part(in, part), ...); });
      return v;
    } else {
      return read_braced(in, parts{});
    }
  }

 private:
  template <class... P>
  static constexpr bool assignable(type_list<P...>) {
    return ((!std::is_const_v<P> && std::is_move_assignable_v<std::remove_all_extents_t<P>>)&&...);
  }
  template <class... P>
  static T read_braced(reader& in, type_list<P...>) {
    return T{codec<std::remove_cv_t<P>>::read(in)...};
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
