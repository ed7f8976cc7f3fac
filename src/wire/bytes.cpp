// What the readers of encoded bytes say when a record is not what it should be, and the memory that borrowed arguments
// look into.
#include "centimane/bytes.hpp"

#include <new>
#include <string>
#include <vector>

#include "centimane/detail/codec_builtin.hpp"
#include "centimane/errors.hpp"

namespace centimane {
inline namespace v0 {

void reader::throw_short(std::size_t wanted, std::size_t left) {
  throw payload_error("centimane: a record ends early: " + std::to_string(wanted) + " bytes wanted, " +
                      std::to_string(left) + " left; do write() and read() of its codec agree?");
}

void reader::throw_missing(std::uint32_t number) {
  throw payload_error("centimane: a record names something large, number " + std::to_string(number) +
                      ", that did not come with it");
}

void writer::write_bulk(const std::byte* from, std::size_t n) {
  const annex::part whole(from, n);
  const std::uint32_t number = annex_ == nullptr ? annex::none : annex_->put({&whole, 1});
  raw(number);
  if (number == annex::none) bytes(from, n);
}

reader::run reader::read_bulk(std::size_t n) {
  const auto number = raw<std::uint32_t>();
  if (number == annex::none) return {bytes(n), false};
  const annexed& apart = beside(number);
  if (apart.size != n) throw_short(n, apart.size);
  return {apart.data, true};
}

namespace detail {

void throw_bad_record(const char* what) {
  throw payload_error(std::string("centimane: a record cannot be read or written: ") + what);
}

namespace {
struct loan {
  void* memory;
  std::size_t alignment;
};
struct loans {
  std::vector<loan> open;
  ~loans() { end(); }
  void end() noexcept {
    for (const loan& l : open) ::operator delete(l.memory, std::align_val_t(l.alignment));
    open.clear();
  }
};
thread_local loans mine;
}  // namespace

std::byte* lend(std::size_t bytes, std::size_t alignment) {
  mine.open.reserve(mine.open.size() + 1);
  void* memory = ::operator new(bytes == 0 ? 1 : bytes, std::align_val_t(alignment));
  mine.open.push_back({memory, alignment});
  return static_cast<std::byte*>(memory);
}

void end_loans() noexcept { mine.end(); }

}  // namespace detail
}  // namespace v0
}  // namespace centimane
