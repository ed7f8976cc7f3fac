// A run that can be killed and go on: what it has computed is kept in a file.
//
//   auto result = cm::parallel_map(crunch, files, {.executor = cm::process,
//                                                  .checkpoint = cm::checkpoint{"crunch.ckpt", "v2"},
//                                                  .item_key = [](const std::string& name) { return name; }});
//
// Each value is recorded before anybody is told of it. A later run of the same work takes from the file what it has:
// such items are not run, cost no attempt and no token, and are told of with attempts 0. Failures are not recorded.
// Items and results need a codec. An item has the same row if its key (by default its position) and its bytes are the
// same.
//
// Whose results a file holds is told by the types of function, item and result and by `version`: C++ does not see
// whether a function's code, or what it has captured, has changed. Change `version` when they do.
//
// The file is an SQLite database, made for its owner only, in the format that the Python face writes too; each face
// reads the other's metadata and refuses its values. One run at a time uses it. Needs a library built with
// CENTIMANE_SQLITE (the default where SQLite is found), else the call throws checkpoint_error.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace centimane {
inline namespace v0 {

/// Where a run keeps what it has computed. The call throws checkpoint_error, which says what to do, for a file that is
/// in use, damaged, no checkpoint, or holds another function's, version's or face's results; the run throws it when a
/// value cannot be written (what the file has stays good) or two items have one key.
struct checkpoint {
  std::string path;           ///< made if it is not there
  std::string version = {};   ///< any text; changes when results of before must not be used any more
  std::string function = {};  ///< a name in place of the function's type, for function pointers and std::function
};

/// Names items, for the checkpoint's rows, item_result::key and failure::key: a function from `const T&` to an integer
/// or a string. Its parameter's type is written out (no `auto`). Called once an item, by the calling thread, when the
/// item is read from the input.
class item_key {
  template <class F>
  struct parameter;
  template <class K, class T>
  struct parameter<std::function<K(T)>> {
    using type = std::remove_cvref_t<T>;
  };

 public:
  item_key() = default;
  template <class F>
  requires(!std::same_as<F, item_key> && requires(F f) { std::function(f); }) item_key(F f) {
    using item = typename parameter<decltype(std::function(f))>::type;
    using key = std::remove_cvref_t<std::invoke_result_t<const F&, const item&>>;
    static_assert((std::integral<key> && !std::same_as<key, bool>) || std::convertible_to<key, std::string_view>,
                  "centimane: item_key must return an integer or a string");
    type_ = &typeid(item);
    ask_ = [f = std::move(f)](const void* at) {
      if constexpr (std::integral<key>) {
        return "i:" + std::to_string(std::invoke(f, *static_cast<const item*>(at)));
      } else {
        const auto& made = std::invoke(f, *static_cast<const item*>(at));
        return "s:" + std::string(std::string_view(made));
      }
    };
  }
  explicit operator bool() const noexcept { return static_cast<bool>(ask_); }
  /// For runs: the type of the items it names.
  [[nodiscard]] const std::type_info& of() const noexcept { return *type_; }
  /// For runs: the key of the item at that address, with its type before it.
  [[nodiscard]] std::string operator()(const void* item) const { return ask_(item); }

 private:
  const std::type_info* type_ = nullptr;
  std::function<std::string(const void*)> ask_;
};

/// What a checkpoint file says of itself.
struct checkpoint_facts {
  std::string path;
  std::string face;         ///< "c++" or "python": who can go on with it
  std::string function;     ///< whose results it holds
  std::string version;      ///< as it was given; tokens of Python that are no text with their type before them
  std::uint64_t completed;  ///< items whose values it holds
  std::uint64_t size_bytes;
};
/// Reads no values and changes nothing; also while a run writes to the file. Throws checkpoint_error: it is not there,
/// no checkpoint, or damaged. Thread safety: any thread.
[[nodiscard]] checkpoint_facts checkpoint_info(const std::string& path);

}  // namespace v0
}  // namespace centimane
