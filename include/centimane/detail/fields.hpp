// The public members of an aggregate, found by structured bindings: how many, their types, and a visit. No macro at the
// user's side. Up to 32 members; C arrays count as one; a base class makes an aggregate opaque (members() is 0).
#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

namespace centimane {
inline namespace v0 {
namespace detail {

template <class... T>
struct type_list {
  static constexpr std::size_t size = sizeof...(T);
};

/// Stands for any initialiser of a member of T, but not for T itself or a base of it.
template <class T>
struct any_member {
  template <class U>
  requires(!std::is_base_of_v<U, T> && std::is_copy_constructible_v<U>) operator U&() const&& noexcept;
  template <class U>
  requires(!std::is_base_of_v<U, T> && !std::is_copy_constructible_v<U>) operator U&&() const&& noexcept;
};
/// Stands for a base of T only.
template <class T>
struct any_base {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T> && std::is_copy_constructible_v<U>) operator U&()
      const&& noexcept;
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T> && !std::is_copy_constructible_v<U>) operator U&&()
      const&& noexcept;
};
template <class T>
concept has_bases = requires {
  T{any_base<T>{}};
};

template <class T, std::size_t>
using any_member_at = any_member<T>;

template <class T, std::size_t... I>
constexpr bool braces_take(std::index_sequence<I...>) {
  return requires { T{any_member_at<T, I>{}...}; };
}
template <class T, std::size_t... A, std::size_t... B, std::size_t... C>
constexpr bool nested_braces_take(std::index_sequence<A...>, std::index_sequence<B...>, std::index_sequence<C...>) {
  return requires { T{any_member_at<T, A>{}..., {any_member_at<T, B>{}...}, any_member_at<T, C>{}...}; };
}

inline constexpr std::size_t most_initialisers = 128;

/// The most initialisers that T takes, members of C arrays counted singly.
template <class T, std::size_t N = (sizeof(T) * 8 < most_initialisers ? sizeof(T) * 8 : most_initialisers)>
constexpr std::size_t initialisers() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (braces_take<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return initialisers<T, N - 1>();
  }
}

/// How many of the Total initialisers belong to the member that begins at initialiser At: more than 1 for a C array
/// only. A member in braces is an array of K if, K taken, exactly the rest can follow: a class would leave place for
/// more.
template <class T, std::size_t Total, std::size_t At, std::size_t K = Total - At>
constexpr std::size_t initialisers_of_member() {
  if constexpr (K <= 1) {
    return 1;
  } else {
    using before = std::make_index_sequence<At>;
    using inside = std::make_index_sequence<K>;
    if constexpr (nested_braces_take<T>(before{}, inside{}, std::make_index_sequence<Total - At - K>{}) &&
                  !nested_braces_take<T>(before{}, inside{}, std::make_index_sequence<Total - At - K + 1>{})) {
      return K;
    } else {
      return initialisers_of_member<T, Total, At, K - 1>();
    }
  }
}

template <class T, std::size_t Total, std::size_t At = 0>
constexpr std::size_t members_from() {
  if constexpr (At >= Total) {
    return 0;
  } else {
    return 1 + members_from<T, Total, At + initialisers_of_member<T, Total, At>()>();
  }
}

/// The number of T's members; 0 for an empty class and for what cannot be seen into.
template <class T>
constexpr std::size_t members() {
  if constexpr (!std::is_aggregate_v<T> || !std::is_class_v<T> || std::is_empty_v<T> || has_bases<T>) {
    return 0;
  } else {
    constexpr std::size_t n = members_from<T, initialisers<T>()>();
    return n <= 32 ? n : 0;
  }
}

/// Calls sight(type_list<member types>, members as lvalues...). T may be const.
template <class T, class Sight>
constexpr decltype(auto) see_members(T& value, Sight&& sight) {
  constexpr std::size_t n = members<std::remove_cv_t<T>>();
  static_assert(n > 0 && n <= 32);
  if constexpr (n == 1) {
    auto& [m0] = value;
    return sight(type_list<decltype(m0)>{}, m0);
  } else if constexpr (n == 2) {
    auto& [m0, m1] = value;
    return sight(type_list<decltype(m0), decltype(m1)>{}, m0, m1);
  } else if constexpr (n == 3) {
    auto& [m0, m1, m2] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2)>{}, m0, m1, m2);
  } else if constexpr (n == 4) {
    auto& [m0, m1, m2, m3] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3)>{}, m0, m1, m2, m3);
  } else if constexpr (n == 5) {
    auto& [m0, m1, m2, m3, m4] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4)>{}, m0, m1, m2, m3, m4);
  } else if constexpr (n == 6) {
    auto& [m0, m1, m2, m3, m4, m5] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5)>{}, m0,
                 m1, m2, m3, m4, m5);
  } else if constexpr (n == 7) {
    auto& [m0, m1, m2, m3, m4, m5, m6] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6)>{},
        m0, m1, m2, m3, m4, m5, m6);
  } else if constexpr (n == 8) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7);
  } else if constexpr (n == 9) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8);
  } else if constexpr (n == 10) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
  } else if constexpr (n == 11) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10);
  } else if constexpr (n == 12) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11);
  } else if constexpr (n == 13) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12);
  } else if constexpr (n == 14) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13);
  } else if constexpr (n == 15) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14);
  } else if constexpr (n == 16) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15);
  } else if constexpr (n == 17) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16);
  } else if constexpr (n == 18) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17);
  } else if constexpr (n == 19) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18);
  } else if constexpr (n == 20) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19);
  } else if constexpr (n == 21) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20);
  } else if constexpr (n == 22) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21);
  } else if constexpr (n == 23) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22] =
        value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22);
  } else if constexpr (n == 24) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22, m23);
  } else if constexpr (n == 25) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                  decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
        m24);
  } else if constexpr (n == 26) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                  decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
        m24, m25);
  } else if constexpr (n == 27) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23),
                           decltype(m24), decltype(m25), decltype(m26)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22, m23, m24, m25, m26);
  } else if constexpr (n == 28) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26, m27] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23),
                           decltype(m24), decltype(m25), decltype(m26), decltype(m27)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22, m23, m24, m25, m26, m27);
  } else if constexpr (n == 29) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26, m27, m28] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23),
                           decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22, m23, m24, m25, m26, m27, m28);
  } else if constexpr (n == 30) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26, m27, m28, m29] = value;
    return sight(type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                           decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
                           decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17),
                           decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23),
                           decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29)>{},
                 m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
                 m22, m23, m24, m25, m26, m27, m28, m29);
  } else if constexpr (n == 31) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26, m27, m28, m29, m30] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                  decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25),
                  decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
        m24, m25, m26, m27, m28, m29, m30);
  } else if constexpr (n == 32) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
           m24, m25, m26, m27, m28, m29, m30, m31] = value;
    return sight(
        type_list<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                  decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13),
                  decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                  decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25),
                  decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30), decltype(m31)>{},
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23,
        m24, m25, m26, m27, m28, m29, m30, m31);
  }
}

struct name_types {
  template <class List, class... M>
  constexpr List operator()(List list, M&...) const {
    return list;
  }
};
/// The types of T's members, references and const kept.
template <class T>
using member_types = decltype(see_members(std::declval<T&>(), name_types{}));

}  // namespace detail
}  // namespace v0
}  // namespace centimane
