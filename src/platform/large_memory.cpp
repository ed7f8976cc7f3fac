// Comes from operator new, so that whoever replaces it or checks it sees these arrays too.
#include "centimane/detail/large_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <new>

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20, large = 2 * huge_page;

struct shape {
  std::size_t bytes, alignment;
};
shape shape_of(std::size_t bytes, std::size_t alignment) {
  if (bytes < large) return {bytes, alignment};
  if (bytes > std::numeric_limits<std::size_t>::max() - huge_page) throw std::bad_array_new_length();
  return {(bytes + huge_page - 1) / huge_page * huge_page, std::max(alignment, huge_page)};
}

}  // namespace

void* allocate_values(std::size_t bytes, std::size_t alignment) {
  const shape is = shape_of(bytes, alignment);
  void* const at = ::operator new (is.bytes, std::align_val_t{is.alignment});
  // A wish: where there are none to be had, pages are small.
  if (is.bytes >= large) ::madvise(at, is.bytes, MADV_HUGEPAGE);
  return at;
}

void free_values(void* at, std::size_t bytes, std::size_t alignment) noexcept {
  // Without the size: clang 14 knows no sized deallocation unless it is asked for.
  ::operator delete (at, std::align_val_t{shape_of(bytes, alignment).alignment});
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
