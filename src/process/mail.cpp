#include "process/mail.hpp"

#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "memory/lent.hpp"
#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/fork_generation.hpp"
#include "platform/message.hpp"

namespace centimane::engine {
namespace {

using policy::nanos;

constexpr nanos patience = 60'000'000'000, look_again = 100'000'000;
/// So much is kept at most: a child that sends and never is listened to must not take all descriptors.
constexpr std::size_t most = 256;

/// Of this process, if it is one of one function.
struct sender {
  platform::fd address;
  platform::identity is;
  platform::process_identity zygote;
  std::uint32_t born;
};
std::atomic<const sender*> mine{nullptr};

platform::process_identity send(int file) noexcept {
  const sender* by = mine.load();
  // A copy of this process has the address too, but its zygote does not know it; and user code closes what it finds.
  if (by == nullptr || by->born != platform::fork_generation() || !by->is.still(by->address.get())) return {};
  constexpr std::array<std::byte, 1> head{};
  const auto how = platform::send_message(by->address.get(), head, {}, {&file, 1}, true);
  return how == platform::transfer::done ? by->zygote : platform::process_identity{};
}

}  // namespace

mailbox::mailbox() {
  auto [in, out] = platform::socket_pair();
  in_ = platform::move_high(std::move(in));
  out_ = platform::move_high(std::move(out));
}

void mailbox::take() {
  std::array<std::byte, 1> head;
  for (;;) {
    platform::received got;
    if (platform::receive_message(in_.get(), head, got, false) != platform::transfer::done) return;
    if (got.count == 1 && kept_.size() < most) kept_.push_back({std::move(got.fds[0]), platform::now()});
  }
}

nanos mailbox::look(nanos now) {
  std::erase_if(kept_,
                [&](const kept& it) { return now - it.since > patience || !memory::is_under_way(it.memory.get()); });
  return kept_.empty() ? policy::never : now + look_again;
}

platform::fd mailbox::leave_to_child() noexcept {
  in_.reset();
  kept_.clear();
  return std::move(out_);
}

void lend_by_mail(platform::fd address, platform::process_identity zygote) noexcept {
  const platform::identity is(address.get());
  mine.store(new sender{std::move(address), is, zygote, platform::fork_generation()});  // as long as the process
  memory::set_lender(&send);
}

}  // namespace centimane::engine
