#include "memory/lent.hpp"

#include <atomic>
#include <utility>

namespace centimane::memory {
namespace {

std::atomic<lender> lending{nullptr};
std::atomic<keeper> keeping{nullptr};
std::atomic<forgetter> forgetting{nullptr};
std::atomic<asker> asking{nullptr};

}  // namespace

void set_lender(lender how) noexcept { lending.store(how); }
void set_keeper(keeper keep, forgetter forget, asker ask) noexcept {
  keeping.store(keep);
  forgetting.store(forget);
  asking.store(ask);
}

platform::process_identity lend(int file) noexcept {
  const lender how = lending.load();
  return how == nullptr ? platform::process_identity{} : how(file);
}

void keep(platform::fd file) noexcept {
  if (const keeper how = keeping.load()) how(std::move(file));
}

void forget_lent() noexcept {
  if (const forgetter how = forgetting.load()) how();
}

bool is_under_way(int file) noexcept {
  const asker how = asking.load();
  return how != nullptr && how(file);
}

}  // namespace centimane::memory
