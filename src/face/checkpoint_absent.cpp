// In a library that is built without SQLite: every use of a checkpoint says so.
#include "centimane/errors.hpp"
#include "face/checkpoint_file.hpp"

namespace centimane {
inline namespace v0 {
namespace {

[[noreturn]] void absent() {
  throw checkpoint_error(
      "centimane: a checkpoint needs a library built with SQLite: configure centimane with -DCENTIMANE_SQLITE=ON");
}

}  // namespace

namespace detail {

struct checkpoint_file::state {};
checkpoint_file::checkpoint_file(const checkpoint&, const std::string&) { absent(); }
checkpoint_file::~checkpoint_file() = default;
bool checkpoint_file::has_rows() const noexcept { return false; }
bool checkpoint_file::look(const std::string&, const wire::digest128&, std::vector<std::byte>&) { absent(); }
void checkpoint_file::write(std::span<const row>) { absent(); }

}  // namespace detail

checkpoint_facts checkpoint_info(const std::string&) { absent(); }

}  // namespace v0
}  // namespace centimane
