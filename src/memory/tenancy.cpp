#include "memory/tenancy.hpp"

#include <stdexcept>

#include "memory/size_class.hpp"
#include "platform/fault.hpp"

namespace centimane::memory {

tenancy::ended_views::~ended_views() {
  for (entry* e = first.load(); e != nullptr;) delete std::exchange(e, e->next);
}

void tenancy::map(segment_number number, use what, const platform::fd& memory, std::uint64_t size) {
  maps_.insert_or_assign(
      number,
      platform::mapping(memory.get(), size, what == use::arguments ? platform::access::copy : platform::access::write));
}

// ---- arguments

annexed tenancy::view(lease l, segment_number segment, std::uint64_t offset, std::uint64_t length) {
  const auto at = maps_.find(segment);
  if (at == maps_.end()) throw std::runtime_error("centimane: an argument's memory could not be mapped");
  std::byte* data = at->second.data() + offset;
  auto node = std::make_unique<entry>(entry{l, data, length, ended_->copies.load(std::memory_order_relaxed), nullptr});
  entry* raw = node.get();
  std::shared_ptr<const void> hold(raw, [list = ended_](const entry* e) noexcept {
    auto* mine = const_cast<entry*>(e);
    mine->next = list->first.load(std::memory_order_relaxed);
    while (!list->first.compare_exchange_weak(mine->next, mine, std::memory_order_release, std::memory_order_relaxed)) {
    }
  });
  static_cast<void>(node.release());  // the list's, by way of the view
  return {data, length, std::move(hold)};
}

void tenancy::collect(std::vector<lease>& to) {
  if (ended_->first.load(std::memory_order_relaxed) == nullptr) return;
  const std::uint32_t copies = ended_->copies.load(std::memory_order_relaxed);
  for (entry* e = ended_->first.exchange(nullptr, std::memory_order_acquire); e != nullptr;) {
    const std::unique_ptr<entry> done(std::exchange(e, e->next));
    if (done->copies != copies || !platform::undo_changes(done->at, done->length)) continue;
    CENTIMANE_FAULT("worker.undone");
    to.push_back(done->number);
  }
}

// ---- grants

bool tenancy::granted(lease l, segment_number segment, std::uint64_t offset, std::uint64_t size) {
  const auto at = maps_.find(segment);
  if (at == maps_.end()) return false;
  grants_.push_back({l, at->second.data() + offset, size});
  return true;
}

std::optional<tenancy::room> tenancy::take(std::uint64_t size) {
  const std::uint64_t wanted = block_for(size);
  for (std::size_t k = grants_.size(); k-- > 0;) {
    if (grants_[k].size != wanted) continue;
    const room found = grants_[k];
    grants_.erase(grants_.begin() + static_cast<std::ptrdiff_t>(k));
    return found;
  }
  return std::nullopt;
}

std::vector<lease> tenancy::give_up() {
  std::vector<lease> all;
  for (const room& g : grants_) all.push_back(g.number);
  grants_.clear();
  return all;
}

}  // namespace centimane::memory
