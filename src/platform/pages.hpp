// Memory straight from the kernel, and straight back: what is let go has left the process, which a heap does not
// promise for pieces between others. For tables that grow with a run and go with it.
#pragma once
#include <cstddef>

namespace centimane::platform {

/// Zeroed; whole pages are taken. Throws std::bad_alloc. Cost: a system call, and a fault for each page when it is
/// first touched.
void* take_pages(std::size_t size);
/// What take_pages(size) gave.
void return_pages(void* at, std::size_t size) noexcept;
/// Whole pages of a shared mapping, let go by all who map it: they read as zeros. Where the system cannot, they stay.
void drop_shared_pages(void* at, std::size_t size) noexcept;

}  // namespace centimane::platform
