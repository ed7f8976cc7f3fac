#include "centimane/detail/admission.hpp"

#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "centimane/errors.hpp"
#include "face/checkpoint_file.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

struct admission::state {
  struct place {
    std::string key;
    wire::digest128 digest;
  };
  std::optional<checkpoint_file> file;
  item_key ask;
  bool has_rows = false;
  std::unordered_set<std::string> seen;
  std::unordered_map<policy::index, std::string> keys;  ///< with their types
  std::unordered_map<policy::index, place> waiting;     ///< of items that have no value yet
  std::vector<checkpoint_file::row> rows;               ///< for the next write
  std::vector<policy::index> written;                   ///< whose they are
};

admission::admission(const checkpoint* file, item_key key, const std::string& function)
    : state_(std::make_unique<state>()) {
  state_->ask = std::move(key);
  if (file == nullptr) return;
  state_->file.emplace(*file, function);
  state_->has_rows = state_->file->has_rows();
}

admission::~admission() = default;

bool admission::recording() const noexcept { return state_->file.has_value(); }

bool admission::admit(policy::index item, const void* address, std::span<const std::byte> encoded,
                      std::vector<std::byte>& value) {
  state& s = *state_;
  std::string key;
  if (s.ask) {
    key = s.ask(address);
    s.keys[item] = key;
  }
  if (!s.file) return false;
  if (!s.ask) {
    key = "#" + std::to_string(item);
  } else if (!s.seen.insert(key).second) {
    throw checkpoint_error("centimane: two items have the key '" + key.substr(2) + "' (the second is item " +
                           std::to_string(item) +
                           "): each would take the other's row in the checkpoint. Let item_key tell them apart");
  }
  const auto digest = wire::digest(encoded);
  if (s.has_rows && s.file->look(key, digest, value)) return true;
  s.waiting[item] = {std::move(key), digest};
  return false;
}

void admission::keep(policy::index item, std::span<const std::byte> value) {
  state& s = *state_;
  state::place& at = s.waiting.at(item);
  s.rows.push_back({std::move(at.key), at.digest, {value.begin(), value.end()}});
  s.written.push_back(item);
}

void admission::write() {
  state& s = *state_;
  s.file->write(s.rows);
  for (const policy::index item : s.written) s.waiting.erase(item);
  s.rows.clear();
  s.written.clear();
}

void admission::failed(policy::index item) noexcept { state_->waiting.erase(item); }

std::string_view admission::key_of(policy::index item) const {
  const auto at = state_->keys.find(item);
  return at == state_->keys.end() ? std::string_view() : std::string_view(at->second).substr(2);
}

void admission::forget(policy::index item) noexcept { state_->keys.erase(item); }

std::string function_identity(const checkpoint& file, bool type_tells, const std::type_info& function,
                              const std::type_info& item, const std::type_info& result) {
  if (file.path.empty()) throw std::invalid_argument("centimane: checkpoint.path must name a file");
  if (file.function.empty() && !type_tells) {
    throw std::invalid_argument(
        "centimane: the type of this function does not say which one it is: give checkpoint.function a name, or map a "
        "lambda");
  }
  std::string name = file.function.empty() ? std::string(demangled(function.name())) : file.function;
  return name + " (" + std::string(demangled(item.name())) + ") -> " + std::string(demangled(result.name()));
}

void throw_cannot_record(const char* what, const char* mangled_type) {
  throw payload_error("centimane: " + std::string(what) + " of type " + std::string(demangled(mangled_type)) +
                      " cannot be written to a checkpoint: give the type a codec<T> or serialize(Archive&)");
}

void throw_not_recorded(policy::index item) {
  try {
    throw;
  } catch (const std::exception& e) {
    throw checkpoint_error("centimane: the result of item " + std::to_string(item) +
                           " cannot be written to the checkpoint: " + e.what());
  }
}

void throw_other_items(const std::type_info& named, const std::type_info& items) {
  throw std::invalid_argument("centimane: item_key names items of type " + std::string(demangled(named.name())) +
                              ", and the run's are of type " + std::string(demangled(items.name())));
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
