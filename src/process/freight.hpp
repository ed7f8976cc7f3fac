// How large things travel beside a ring: a record of kind `heavy` begins with a table of blocks of the pool's arena.
//
//   task:    freight_head | count × lent_block     | the task's bytes, unless they are block 0 themselves
//   result:  freight_head | count × written_block  | the result's bytes, unless …
//
// What the tables say is the driver's own word in a task, and only a worker's claim in a result: there each lease is
// compared with the arena's ledger.
#pragma once
#include <cstdint>

#include "centimane/bytes.hpp"

namespace centimane::engine {

/// task_header::kind, result_header::kind
inline constexpr std::uint8_t kind_body = 0, kind_heavy = 1;

struct freight_head {
  std::uint32_t count = 0;
  std::uint32_t flags = 0;
};
/// Block 0 is the record's own bytes, which were too many for a ring.
inline constexpr std::uint32_t freight_apart = 1;
/// Of a result: its task still looks into its arguments' blocks, which are given back later.
inline constexpr std::uint32_t freight_kept = 2;
struct lent_block {
  std::uint64_t lease, offset, length;
  std::uint32_t segment, unused;
};
struct written_block {
  std::uint64_t lease, length;
};
/// What the driver answers to a request for room; also sent ahead, for a next result.
struct granted_block {
  std::uint64_t offset, size;
  std::uint64_t need, have;  ///< refused (lease 0)
  std::uint32_t segment, asked;
};

/// Blocks that one record may have; what comes after them stays in the record.
inline constexpr std::uint32_t most_blocks = 256;
static_assert(sizeof(freight_head) == 8 && sizeof(lent_block) == 32 && sizeof(written_block) == 16);

}  // namespace centimane::engine
