// What a zygote and its driver say to each other, byte by byte. Both ends are the same program, or built from the same
// sources.
#pragma once
#include <cstdint>

namespace centimane::engine::zygote_words {

enum class ask : std::uint32_t { fork = 1, kill, child };

struct request {
  ask what;
  std::int32_t detail;  ///< kill: the signal; child: a bit for each of child_files::sent that comes along
  std::uint64_t ticket;
};  // fork: the six descriptors of worker_files come along, in their order

enum class tell : std::uint32_t { forked = 1, failed, exited };

struct reply {
  tell what;
  std::int32_t pid;
  std::uint64_t ticket;
  std::int32_t error;      ///< failed
  std::int32_t signal;     ///< exited
  std::int32_t exit_code;  ///< exited; -1: unknown, or by a signal
  std::int32_t left;       ///< exited: processes that its tasks had detached, and that are still there
};                         // forked: a pidfd comes along where the kernel has them

inline constexpr std::size_t files = 6;

}  // namespace centimane::engine::zygote_words
