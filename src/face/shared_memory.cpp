#include "centimane/shared_memory.hpp"

#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "centimane/errors.hpp"
#include "memory/headroom.hpp"
#include "platform/clock.hpp"
#include "platform/named_memory.hpp"

namespace centimane {
inline namespace v0 {
namespace {

/// 128 bits that nobody guesses.
std::string random_name() {
  constexpr char digits[] = "0123456789abcdef";
  std::random_device source;
  std::string name = "centimane-";
  for (int word = 0; word < 4; ++word) {
    auto bits = source();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) name += digits[bits & 15];
  }
  return name;
}

/// A memory limit kills whoever takes room beyond it; it does not refuse.
void ask_for(std::size_t size) {
  thread_local memory::headroom left;
  if (left.take(size, platform::now())) return;
  throw resource_limit("centimane: shared memory of " + std::to_string(size) + " bytes is wanted, and " +
                           std::to_string(left.left()) + " are left before this process's memory limit",
                       size, left.left());
}

bool is_lack_of_room(const std::system_error& refused) {
  const int code = refused.code().value();
  for (const std::errc lack :
       {std::errc::no_space_on_device, std::errc::no_such_file_or_directory, std::errc::read_only_file_system,
        std::errc::not_enough_memory, std::errc::too_many_files_open, std::errc::too_many_files_open_in_system}) {
    if (code == static_cast<int>(lack)) return true;
  }
  return false;
}

}  // namespace

struct shared_memory::state {
  platform::named_memory memory;
  std::string name;
  std::uint64_t inode;
};

shared_memory::shared_memory(std::unique_ptr<state> is) noexcept : state_(std::move(is)) {}
shared_memory::shared_memory(shared_memory&&) noexcept = default;
shared_memory& shared_memory::operator=(shared_memory&&) noexcept = default;
shared_memory::~shared_memory() = default;

shared_memory shared_memory::create(std::size_t size, std::string name, bool track) {
  if (size == 0) throw std::invalid_argument("centimane: shared_memory::create: size must be at least 1");
  ask_for(size);
  if (name.empty()) name = random_name();
  try {
    platform::named_memory made = platform::named_memory::create(name, size, track);
    const std::uint64_t inode = made.inode();
    return shared_memory(std::make_unique<state>(state{std::move(made), std::move(name), inode}));
  } catch (const std::system_error& refused) {
    if (is_lack_of_room(refused)) throw resource_limit(refused.what(), size);
    throw;
  }
}

shared_memory shared_memory::open(std::string name) {
  platform::named_memory found = platform::named_memory::open(name);
  const std::uint64_t inode = found.inode();
  return shared_memory(std::make_unique<state>(state{std::move(found), std::move(name), inode}));
}

std::span<std::byte> shared_memory::bytes() const noexcept {
  if (!state_) return {};
  return {state_->memory.data(), state_->memory.data() == nullptr ? 0 : state_->memory.size()};
}

const std::string& shared_memory::name() const noexcept {
  static const std::string none;
  return state_ ? state_->name : none;
}

void shared_memory::close() noexcept {
  if (state_) state_->memory.close();
}

void shared_memory::unlink() {
  if (!state_) throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory));
  platform::unlink_memory(state_->name, state_->inode);
}

}  // namespace v0
}  // namespace centimane
