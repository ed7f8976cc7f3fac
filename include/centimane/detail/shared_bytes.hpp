// Memory that processes share, without a type: the compiled part behind shared_array.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "centimane/bytes.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// Bytes, and what keeps them. Copies share both.
struct shared_bytes {
  std::byte* data = nullptr;
  std::shared_ptr<void> hold;
};

/// Zeroed, aligned to 64. Throws resource_limit, std::system_error.
[[nodiscard]] shared_bytes make_shared_bytes(std::size_t size);
/// As memcpy into shared memory; what is large is copied by two processors.
void copy_to_shared(std::byte* to, std::span<const std::byte> from) noexcept;
/// What is read by read_shared_bytes is the same memory. Throws owner_died if it cannot be handed on.
void write_shared_bytes(writer& out, const shared_bytes& what);
/// Throws payload_error if the memory has fewer than `size` bytes, owner_died if it is gone, std::system_error.
[[nodiscard]] shared_bytes read_shared_bytes(reader& in, std::size_t size);

}  // namespace detail
}  // namespace v0
}  // namespace centimane
