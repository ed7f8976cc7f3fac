#include "centimane/shared_array.hpp"

#include <string>

#include "centimane/errors.hpp"
#include "platform/copy.hpp"
#include "share/segment.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

/// What a handle holds. With the last of a memory it is a good time to let go of others that were sent and taken.
struct user {
  explicit user(std::shared_ptr<share::segment> m) noexcept : memory(std::move(m)) {}
  user(const user&) = delete;
  user& operator=(const user&) = delete;
  ~user() {
    memory.reset();
    share::segment::let_go_of_what_was_taken();
  }
  std::shared_ptr<share::segment> memory;
};

shared_bytes of(std::shared_ptr<share::segment> memory) {
  std::byte* const data = memory->bytes().data();
  return {data, std::make_shared<user>(std::move(memory))};
}

}  // namespace

shared_bytes make_shared_bytes(std::size_t size) { return of(share::segment::create(size)); }

void copy_to_shared(std::byte* to, std::span<const std::byte> from) noexcept { platform::copy_bytes(to, from); }

void write_shared_bytes(writer& out, const shared_bytes& what) {
  out.raw(static_cast<user*>(what.hold.get())->memory->hand_out());
}

shared_bytes read_shared_bytes(reader& in, std::size_t size) {
  std::shared_ptr<share::segment> memory = share::segment::open(in.raw<share::handle>());
  if (memory->bytes().size() < size) {
    throw payload_error("centimane: a shared_array of " + std::to_string(size) + " bytes names memory of " +
                            std::to_string(memory->bytes().size()),
                        "read_args");
  }
  return of(std::move(memory));
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
