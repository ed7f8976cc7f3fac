// The small archive behind `serialize(Archive&)`, `save(Archive&) const` and `load(Archive&)`: enough of the interface
// that types written for cereal expect (operator(), &, <<, >>, is_saving, is_loading).
#pragma once
#include <type_traits>
#include <utility>

#include "centimane/bytes.hpp"

namespace centimane {
inline namespace v0 {

template <class T>
struct codec;

namespace detail {

/// Writes what it is called with.
class output_archive {
 public:
  using is_saving = std::true_type;
  using is_loading = std::false_type;
  explicit output_archive(writer& out) noexcept : out_(out) {}
  template <class... T>
  output_archive& operator()(const T&... part) {
    (codec<T>::write(out_, part), ...);
    return *this;
  }
  template <class T>
  output_archive& operator&(const T& part) {
    return (*this)(part);
  }
  template <class T>
  output_archive& operator<<(const T& part) {
    return (*this)(part);
  }

 private:
  writer& out_;
};

/// Reads into what it is called with.
class input_archive {
 public:
  using is_saving = std::false_type;
  using is_loading = std::true_type;
  explicit input_archive(reader& in) noexcept : in_(in) {}
  template <class... T>
  input_archive& operator()(T&&... part) {
    ((part = codec<std::remove_cvref_t<T>>::read(in_)), ...);
    return *this;
  }
  template <class T>
  input_archive& operator&(T&& part) {
    return (*this)(part);
  }
  template <class T>
  input_archive& operator>>(T&& part) {
    return (*this)(part);
  }

 private:
  reader& in_;
};

template <class T>
concept serializable_by_member = std::is_class_v<T> && std::is_default_constructible_v<T> &&
    requires(T& t, output_archive& out, input_archive& in) {
  t.serialize(out);
  t.serialize(in);
};
template <class T>
concept serializable_by_halves = std::is_class_v<T> && std::is_default_constructible_v<T> &&
    requires(const T& from, T& to, output_archive& out, input_archive& in) {
  from.save(out);
  to.load(in);
};
template <class T>
concept serializable_by_function = std::is_class_v<T> && std::is_default_constructible_v<T> &&
    requires(T& t, output_archive& out, input_archive& in) {
  serialize(out, t);  // found beside T
  serialize(in, t);
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
