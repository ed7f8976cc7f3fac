#include "share/condition.hpp"

#include <algorithm>
#include <string>

#include "centimane/errors.hpp"
#include "platform/fault.hpp"
#include "platform/futex.hpp"
#include "platform/process_identity.hpp"

namespace centimane::share {
namespace {

// A place's news. A notification carries the ticket that was next when it was given: only who came before may have it.
enum : std::uint32_t { idle = 0, waits = 1, notified = 2, asleep = 3 };
constexpr std::uint32_t phase_of(std::uint32_t news) noexcept { return news & 3; }
constexpr bool is_waiting(std::uint32_t news) noexcept { return news == waits || news == asleep; }
constexpr std::uint32_t ticket_mask = UINT32_MAX >> 2;
constexpr std::uint32_t stamp_of(std::uint32_t news) noexcept { return news >> 2; }

/// Tickets go round.
constexpr bool came_before(std::uint32_t ticket, std::uint32_t stamp) noexcept {
  return ticket != stamp && ((stamp - ticket) & ticket_mask) < ticket_mask / 2;
}

bool is_dead(std::uint64_t who, std::uint64_t me) noexcept {
  return who != 0 && who != me && !platform::is_alive(platform::process_identity::from_word(who));
}
std::uint64_t this_process() noexcept { return platform::this_process_identity().word(); }

}  // namespace

std::shared_ptr<condition> condition::make() {
  return std::make_shared<condition>(cell::make(cell_kind::condition, sizeof(state)));
}

std::shared_ptr<condition> condition::open(std::span<const std::byte> handle_bytes) {
  return std::make_shared<condition>(cell::open(cell_kind::condition, handle_bytes));
}

std::size_t condition::in_use() const noexcept { return std::min<std::size_t>(state_->used.load(), places); }

std::optional<std::size_t> condition::claim(std::uint64_t me) noexcept {
  for (std::size_t k = 0; k < places; ++k) {
    std::uint64_t who = 0;
    if (state_->list[k].who.load() != 0 || !state_->list[k].who.compare_exchange_strong(who, me)) continue;
    CENTIMANE_FAULT("share.condition.claimed");
    std::uint32_t used = state_->used.load();
    while (used <= k && !state_->used.compare_exchange_weak(used, static_cast<std::uint32_t>(k + 1))) {
    }
    return k;
  }
  return std::nullopt;
}

std::size_t condition::join() {
  const std::uint64_t me = this_process();
  std::optional<std::size_t> mine = claim(me);
  if (!mine) {
    sweep(true);
    mine = claim(me);
  }
  if (!mine)
    throw resource_limit(
        "centimane: " + std::to_string(places) + " wait for this condition already, and there are places for no more",
        places + 1, places);
  place& it = state_->list[*mine];
  it.ticket.store(state_->next_ticket.fetch_add(1) & ticket_mask);
  it.news.store(waits);
  CENTIMANE_FAULT("share.condition.joined");
  return *mine;
}

condition::outcome condition::sleep(std::size_t mine, patience& wait) {
  place& it = state_->list[mine];
  for (;;) {
    std::uint32_t news = it.news.load();
    if (phase_of(news) == notified) return outcome::notified;
    if (news == waits && !it.news.compare_exchange_strong(news, asleep)) continue;
    CENTIMANE_FAULT("share.condition.sleep");
    const patience::after ended = wait.sleep(it.news, asleep);
    CENTIMANE_FAULT("share.condition.woken");
    if (ended == patience::after::again) {
      sweep(false);
      continue;
    }
    return ended == patience::after::late ? outcome::late : outcome::stopped;
  }
}

void condition::leave(std::size_t mine, bool used) noexcept {
  place& it = state_->list[mine];
  std::uint32_t news = it.news.load();
  // Until it is idle it may be notified. It is ours until the notification has gone to another: if we die before, this
  // place is swept like any other.
  while (!used && is_waiting(news) && !it.news.compare_exchange_weak(news, idle)) {
  }
  if (!used && phase_of(news) == notified) give(stamp_of(news));
  free(it);
}

void condition::free(place& it) noexcept {
  it.news.store(idle);
  CENTIMANE_FAULT("share.condition.idle");
  it.who.store(0);
}

/// Of those who wait and came before that ticket, the one that has waited longest.
std::optional<std::size_t> condition::oldest(std::uint32_t before) const noexcept {
  std::optional<std::size_t> best;
  std::uint32_t ticket = before;
  for (std::size_t k = 0; k < in_use(); ++k) {
    const place& it = state_->list[k];
    if (!is_waiting(it.news.load())) continue;
    const std::uint32_t its = it.ticket.load() & ticket_mask;
    if (!came_before(its, ticket)) continue;
    best = k;
    ticket = its;
  }
  return best;
}

/// Gives a notification to who came before that ticket and lives. False: there is nobody.
bool condition::give(std::uint32_t stamp) noexcept {
  const std::uint64_t me = this_process();
  while (const std::optional<std::size_t> next = oldest(stamp)) {
    place& it = state_->list[*next];
    std::uint32_t before = it.news.load();
    if (!is_waiting(before) || !it.news.compare_exchange_strong(before, notified | stamp << 2)) continue;
    CENTIMANE_FAULT("share.condition.notified");
    if (before == waits || platform::futex_wake(it.news) != 0) return true;
    // It was asleep and is not: it has woken by itself, or it is dead. In that case whoever makes the place its own
    // sees to the notification.
    std::uint64_t who = it.who.load();
    if (!is_dead(who, me) || !it.who.compare_exchange_strong(who, me)) return true;
    free(it);
  }
  return false;
}

std::size_t condition::notify(std::size_t n) noexcept {
  if (in_use() == 0) return 0;
  const std::uint32_t stamp = state_->next_ticket.load() & ticket_mask;
  std::size_t given = 0;
  while (given < n && give(stamp)) ++given;
  CENTIMANE_FAULT("share.condition.told");
  return given;
}

/// Passes on what was given to those who died before they were back; `all`: frees also the places of the dead that
/// wait.
void condition::sweep(bool all) noexcept {
  const std::uint64_t me = this_process();
  for (std::size_t k = 0; k < in_use(); ++k) {
    place& it = state_->list[k];
    if (!all && phase_of(it.news.load()) != notified) continue;
    std::uint64_t who = it.who.load();
    // The place is ours first, so that only one of those who sweep passes it on; if we die, it is swept again.
    if (!is_dead(who, me) || !it.who.compare_exchange_strong(who, me)) continue;
    CENTIMANE_FAULT("share.condition.swept");
    leave(k, false);
  }
}

std::size_t condition::waiting() const noexcept {
  std::size_t n = 0;
  for (std::size_t k = 0; k < in_use(); ++k) n += is_waiting(state_->list[k].news.load()) ? 1 : 0;
  return n;
}

}  // namespace centimane::share
