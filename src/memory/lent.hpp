// Memory that a worker has made and sends on: its driver keeps it too, for the worker may end at any moment after what
// names it has been published. The worker's engine hands the driver a descriptor; whoever knows what the memory is
// (share/segment) says on either side what is to be done. Either function may be missing: then nothing happens.
//
// Thread safety: all of it. Set before the first use.
#pragma once
#include "platform/fd.hpp"
#include "platform/process_identity.hpp"

namespace centimane::memory {

/// In a worker: gives the driver this memory before anything else that is sent from now on. The driver's identity;
/// none: it could not be done.
using lender = platform::process_identity (*)(int file) noexcept;
/// In a driver: takes what a worker has given.
using keeper = void (*)(platform::fd file) noexcept;
/// Is what was sent on its way still, so that it must be kept?
using asker = bool (*)(int file) noexcept;
/// In a worker that has nothing to do: what was given to the driver need not be kept here.
using forgetter = void (*)() noexcept;

void set_lender(lender how) noexcept;
void set_keeper(keeper keep, forgetter forget, asker ask) noexcept;

platform::process_identity lend(int file) noexcept;
void keep(platform::fd file) noexcept;
void forget_lent() noexcept;
bool is_under_way(int file) noexcept;

}  // namespace centimane::memory
