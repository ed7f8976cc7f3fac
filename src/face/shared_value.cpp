#include "centimane/shared_value.hpp"

#include <span>

#include "centimane/errors.hpp"
#include "share/lock.hpp"
#include "share/slab.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

/// The lock's line, then the value's.
constexpr std::size_t head = 64;

class memory final : public value_memory {
 public:
  explicit memory(std::shared_ptr<share::cell> cell)
      : value_memory(cell->data() + head), cell_(std::move(cell)), lock_(cell_) {}
  void write(writer& out) const override { out.raw(cell_->hand_out()); }
  void lock() override {
    share::patience wait;
    platform::process_identity dead;
    if (lock_.take(wait, dead) == share::lock::outcome::owner_died)
      throw owner_died("centimane: process " + std::to_string(dead.pid) +
                       " ended while it changed this value, which may be half written; store it anew");
  }
  void unlock() noexcept override { lock_.give_back(); }

 private:
  std::shared_ptr<share::cell> cell_;
  share::lock lock_;
};

}  // namespace

std::shared_ptr<value_memory> value_memory::make(std::size_t size) {
  return std::make_shared<memory>(share::cell::make(share::cell_kind::value, head + size));
}

std::shared_ptr<value_memory> value_memory::read(reader& in, std::size_t size) {
  const auto handle = in.raw<share::cell_handle>();
  auto cell = share::cell::open(share::cell_kind::value, std::as_bytes(std::span(&handle, 1)));
  if (cell->size() != head + size)
    throw payload_error("centimane: the handle of a shared value is damaged: it is of another size", "read_args");
  return std::make_shared<memory>(std::move(cell));
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
