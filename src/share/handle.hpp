// What travels in place of shared memory: which memory it is, and which processes have it open. Whoever gets the bytes
// opens it out of the hands of one of these (segment::open).
#pragma once
#include <array>
#include <cstdint>
#include <type_traits>

#include "platform/memory_of.hpp"
#include "platform/process_identity.hpp"

namespace centimane::share {

struct holder {
  platform::process_identity who;
  std::int32_t number = -1;  ///< of the descriptor, over there; -1: any, and it may be on its way there
  std::int32_t spare = 0;
};

struct handle {
  static constexpr std::uint32_t mark = 0x31686d63;  // "cmh1"

  std::uint32_t magic = mark;
  std::uint32_t serial = 0;  ///< which of the handles handed out of this memory
  platform::file_identity file;
  std::array<std::uint64_t, 2> tag{};  ///< random; stands in the memory too
  std::array<holder, 2> holders{};     ///< who sent it; who gave it to the sender. pid 0: none
};
static_assert(sizeof(handle) == 72 && std::is_trivially_copyable_v<handle>);

}  // namespace centimane::share
