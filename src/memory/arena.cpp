#include "memory/arena.hpp"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "centimane/errors.hpp"
#include "memory/size_class.hpp"
#include "platform/cgroup.hpp"
#include "platform/clock.hpp"
#include "platform/copy.hpp"
#include "platform/fault.hpp"
#include "platform/fork_hooks.hpp"
#include "platform/memfd.hpp"

namespace centimane::memory {
namespace {

/// Idle memory that stays mapped for the next use, and how long it stays.
constexpr std::uint64_t warm_bytes = std::uint64_t{256} << 20;
constexpr std::int64_t warm_for = 1'000'000'000;
/// Arguments under way: at most an eighth of the memory that is left when the pool is opened, and within these.
constexpr std::uint64_t least_budget = std::uint64_t{64} << 20, most_budget = std::uint64_t{1} << 30;

/// So often a block is written to by a system call, which needs no page mapped here. To map those of 64 MiB, a fault
/// for each, takes as long as four times what the call costs more than a copy to mapped pages.
constexpr std::uint32_t first_uses = 4;

/// A record has 257 blocks at most; a worker that has many more grants than that does not use them.
constexpr std::size_t most_grants = 1024;

/// All arenas of this process, for the time of a fork.
struct registry {
  std::mutex mutex;
  std::vector<arena*> all;
};
registry& everywhere() {
  static auto* it = new registry;  // outlives every arena, whatever the order of destruction
  return *it;
}

std::uint64_t total(std::span<const annex::part> parts) {
  std::uint64_t n = 0;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    n = annex::aligned(n) + parts[k].size();
  }
  return n;
}

[[noreturn]] void refuse(std::uint64_t need, std::uint64_t have) {
  throw resource_limit("centimane: " + std::to_string(need) +
                           " bytes are needed for something large that travels, and " + std::to_string(have) +
                           " are left before this process's memory limit",
                       need, have);
}

}  // namespace

argument::argument(std::shared_ptr<arena> from, lease l, const place& at, std::uint64_t length)
    : arena_(std::move(from)), lease_(l), where_(at), length_(length) {}
argument::~argument() { arena_->settle(lease_); }

// ---- life

arena::arena() : budget_(std::clamp(platform::memory_left() / 8, least_budget, most_budget)) {
  [[maybe_unused]] static const bool hooked =
      (platform::at_fork(hold_all, let_all_go_in_parent, let_all_go_in_child), true);
  const std::lock_guard lock(everywhere().mutex);
  everywhere().all.push_back(this);
}

std::shared_ptr<arena> arena::make() { return std::shared_ptr<arena>(new arena); }

arena::~arena() {
  const std::lock_guard lock(everywhere().mutex);
  std::erase(everywhere().all, this);
}

/// The child gets every lock free, and books that nobody was writing in.
void arena::hold_all() {
  everywhere().mutex.lock();
  for (arena* a : everywhere().all) a->mutex_.lock();
}
void arena::let_all_go_in_parent() {
  for (arena* a : everywhere().all) {
    a->ledger_.pin();
    a->mutex_.unlock();
  }
  everywhere().mutex.unlock();
}
void arena::let_all_go_in_child() {
  for (arena* a : everywhere().all) a->mutex_.unlock();
  everywhere().mutex.unlock();
}

// ---- segments

bool arena::may_touch(std::uint64_t bytes, std::uint64_t& have) {
  const std::lock_guard look(looking_);
  if (headroom_.take(bytes, platform::now())) return true;
  // What is kept warm for later goes first.
  std::vector<piece> unmapped;
  {
    const std::lock_guard lock(mutex_);
    unmapped = remove(ledger_.drop(INT64_MAX - 1));
  }
  unmapped.clear();
  if (headroom_.take(bytes, platform::now())) return true;
  have = headroom_.left();
  return false;
}

/// Makes the memory, then enters it.
void arena::make_segment(use what, holder whose, std::uint64_t block) {
  const std::uint64_t size = block * blocks_in_segment(what == use::arguments, block);
  piece made;
  made.size = size;
  platform::fd memory =
      platform::make_memory(what == use::arguments ? "centimane-arguments" : "centimane-results", size);
  made.map =
      platform::mapping(memory.get(), size, what == use::arguments ? platform::access::write : platform::access::copy);
  if (what == use::arguments) made.map.keep_from_children();  // nobody there looks into what we write for workers
  platform::seal_size(memory.get());
  if (what == use::arguments) {
    made.for_workers = std::make_shared<const platform::fd>(platform::readable_only(memory.get()));
    made.file = std::move(memory);
  } else {
    made.for_workers = std::make_shared<const platform::fd>(std::move(memory));  // until its worker has it
  }
  const std::lock_guard lock(mutex_);
  pieces_.emplace(ledger_.add(what, whose, block), std::move(made));
}

/// What goes to the worker with a grant. Whichever segment the block is of: its memory goes with the first grant out of
/// it, for while one was made a block of another may have come free.
void arena::describe(grant& g) {
  g.where = ledger_.where(g.number);
  piece& in = pieces_.at(g.where.segment);
  g.segment_size = in.size;
  g.file = std::exchange(in.for_workers, nullptr);
}

/// Out of the books; the caller unmaps them, without the lock.
std::vector<arena::piece> arena::remove(const std::vector<segment_number>& gone) {
  std::vector<piece> unmapped;
  for (const segment_number n : gone) {
    const auto at = pieces_.find(n);
    unmapped.push_back(std::move(at->second));
    pieces_.erase(at);
    dropped_.push_back(n);
  }
  return unmapped;
}

// ---- arguments

std::shared_ptr<const argument> arena::write(std::span<const annex::part> parts) {
  const std::uint64_t length = total(parts);
  if (length > largest_block) refuse(length, largest_block);
  const std::uint64_t block = block_for(length);
  lease l = 0;
  place at;
  std::byte* memory = nullptr;
  int file = -1;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      l = ledger_.argument(block);
      if (l != 0) {
        at = ledger_.where(l);
        const piece& in = pieces_.at(at.segment);
        memory = in.map.data() + at.offset;
        file = in.file.get();
        under_way_.store(ledger_.leased(use::arguments), std::memory_order_relaxed);
        break;
      }
    }
    make_segment(use::arguments, 0, block);
  }
  typical_.store(std::max<std::uint64_t>(1, (typical_.load(std::memory_order_relaxed) + block) / 2),
                 std::memory_order_relaxed);
  auto held = std::make_shared<const argument>(shared_from_this(), l, at, length);
  if (std::uint64_t have = 0; at.fresh() && !may_touch(length, have)) refuse(length, have);
  std::uint64_t to = 0;
  for (const annex::part& p : parts) {
    to = annex::aligned(to);
    if (at.leased_before < first_uses) {
      platform::write_memory(file, at.offset + to, p);
    } else {
      platform::copy_bytes(memory + to, p);
    }
    to += p.size();
  }
  return held;
}

std::shared_ptr<const platform::fd> arena::file_of(segment_number segment, std::uint64_t& size) const {
  const std::lock_guard lock(mutex_);
  const piece& in = pieces_.at(segment);
  size = in.size;
  return in.for_workers;
}

bool arena::lend(lease l, holder worker) {
  const std::lock_guard lock(mutex_);
  return ledger_.lend(l, worker);
}

bool arena::take_back(lease l, holder worker) {
  const std::lock_guard lock(mutex_);
  const bool legal = ledger_.take_back(l, worker, platform::now());
  under_way_.store(ledger_.leased(use::arguments), std::memory_order_relaxed);
  plan(false);
  return legal;
}

void arena::settle(lease l) {
  if (platform::fork_generation() != born_) return;  // the parent's
  const std::lock_guard lock(mutex_);
  ledger_.settle(l, platform::now());
  under_way_.store(ledger_.leased(use::arguments), std::memory_order_relaxed);
  plan(false);
}

std::uint64_t arena::room() const noexcept {
  const std::uint64_t taken = under_way_.load(std::memory_order_relaxed);
  if (taken == 0) return UINT64_MAX;
  return taken < budget_ ? (budget_ - taken) / typical_.load(std::memory_order_relaxed) : 0;
}

bool arena::hoards(holder worker) {
  const std::lock_guard lock(mutex_);
  return ledger_.kept(worker) > budget_ / 4;
}

// ---- workers

holder arena::enrol() {
  const std::lock_guard lock(mutex_);
  return ++last_holder_;
}

void arena::died(holder worker) {
  const std::lock_guard lock(mutex_);
  ledger_.died(worker, platform::now());
  under_way_.store(ledger_.leased(use::arguments), std::memory_order_relaxed);
  plan(true);
}

// ---- results

grant arena::give(holder worker, std::uint64_t size) {
  const std::uint64_t block = block_for(std::min(size, largest_block));
  grant g;
  g.need = size;
  if (size > largest_block) {
    g.have = largest_block;
    return g;
  }
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      g.number = ledger_.grant(worker, block);
      if (g.number != 0) {
        describe(g);
        break;
      }
    }
    make_segment(use::results, worker, block);
  }
  if (g.where.fresh() && !may_touch(size, g.have)) {
    give_up(g.number, worker);
    g.number = 0;
  }
  return g;
}

bool arena::greedy(holder worker) const {
  const std::lock_guard lock(mutex_);
  return ledger_.grants(worker) >= most_grants;
}

std::optional<grant> arena::give_ahead(holder worker, std::uint64_t size) {
  const std::uint64_t block = block_for(size);
  const std::lock_guard lock(mutex_);
  if (ledger_.grants(worker) > 0) return std::nullopt;
  grant g;
  g.number = ledger_.grant(worker, block);
  if (g.number == 0) return std::nullopt;
  if (ledger_.where(g.number).fresh() && block > largest_in_slab) {
    ledger_.give_up(g.number, worker, platform::now());
    return std::nullopt;
  }
  describe(g);
  return g;
}

std::optional<annexed> arena::publish(lease l, holder worker, std::uint64_t length) {
  annexed view;
  std::size_t block = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!ledger_.publish(l, worker, length)) return std::nullopt;
    const place at = ledger_.where(l);
    view.data = pieces_.at(at.segment).map.data() + at.offset;
    block = at.size;
  }
  view.size = length;
  view.hold = std::shared_ptr<const void>(view.data, [keeper = shared_from_this(), l, block](const void* at) noexcept {
    keeper->release(l, static_cast<std::byte*>(const_cast<void*>(at)), block);
  });
  return view;
}

bool arena::give_up(lease l, holder worker) {
  const std::lock_guard lock(mutex_);
  const bool legal = ledger_.give_up(l, worker, platform::now());
  plan(false);
  return legal;
}

/// The last view of a block is gone, on any thread.
void arena::release(lease l, std::byte* at, std::size_t size) noexcept {
  if (platform::fork_generation() != born_) return;  // a copy keeps what it inherited
  const bool undone = platform::undo_changes(at, size);
  std::vector<piece> unmapped;
  const std::lock_guard lock(mutex_);
  if (!undone) ledger_.spoil(l);
  ledger_.release(l, platform::now());
  if (!notify_) {
    unmapped = remove(ledger_.drop(INT64_MAX - 1));
    dropped_.clear();  // no worker is left
  } else {
    unmapped = remove(ledger_.drop(INT64_MIN, warm_bytes));
    plan(!dropped_.empty());
  }
}

// ---- giving memory back

/// Under the lock: something has become free. told: do it now.
void arena::plan(bool told) {
  if (!notify_ || (planned_ && !told)) return;
  if (!told && ledger_.idle() == 0) return;
  planned_ = true;
  notify_();
}

void arena::on_release(std::function<void()> notify) {
  std::vector<piece> unmapped;
  const std::lock_guard lock(mutex_);
  notify_ = std::move(notify);
  if (notify_) return;
  unmapped = remove(ledger_.drop(INT64_MAX - 1));
  dropped_.clear();
}

std::vector<segment_number> arena::tidy(std::int64_t now) {
  std::vector<piece> unmapped;
  const std::lock_guard lock(mutex_);
  unmapped = remove(ledger_.drop(now - warm_for, warm_bytes));
  planned_ = ledger_.idle() > 0;
  return std::exchange(dropped_, {});
}

std::int64_t arena::tidy_at() const {
  const std::lock_guard lock(mutex_);
  if (!dropped_.empty()) return 0;  // at once
  const auto since = ledger_.free_since();
  return !since || *since == INT64_MAX ? INT64_MAX : std::max(*since, std::int64_t{0}) + warm_for;
}

arena::counts arena::count() const {
  const std::lock_guard lock(mutex_);
  return {ledger_.leases(),
          ledger_.segments(),
          ledger_.idle(),
          ledger_.leased(use::arguments),
          ledger_.leased(use::results),
          ledger_.consistent()};
}

}  // namespace centimane::memory
