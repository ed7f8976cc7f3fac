// The compiled part of queue<T>: waits, slice by slice, with a look between them at who has ended.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "centimane/detail/shared_queue.hpp"
#include "centimane/errors.hpp"
#include "platform/clock.hpp"
#include "platform/copy.hpp"
#include "share/shared_queue.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::int64_t slice = 100'000'000;
/// A call that shall not wait waits so long for a process that is copying; longer only takes one that is stopped.
constexpr std::int64_t for_a_copy = 1'000'000'000;

/// One call's wait.
class waiting {
 public:
  waiting(share::shared_queue& queue, std::int64_t patience, bool taking) noexcept
      : queue_(queue), patience_(patience), taking_(taking) {
    if (patience == queue_patience::none) return;
    const std::int64_t now = platform::now();
    until_ = patience > INT64_MAX - now ? INT64_MAX : now + patience;
  }
  /// How long the lock is worth waiting for.
  [[nodiscard]] std::int64_t lock_until() const noexcept {
    const std::int64_t now = platform::now();
    return patience_ == queue_patience::none ? now + for_a_copy : std::min(until_, now + slice);
  }
  /// When the slice that begins now ends; 0: there is no more time. Throws queue_closed where a wait would have no end.
  std::int64_t next(share::queue_end seen) {
    const std::int64_t now = platform::now();
    if (now >= until_) return 0;
    if (deserted_ && seen == share::queue_end::later) {  // and since then we have looked once more
      throw queue_closed(taking_ ? "centimane: the queue is empty, and every other process that had it has ended"
                                 : "centimane: the queue is full, and every other process that had it has ended");
    }
    if (until_ == INT64_MAX && now >= look_at_) {
      deserted_ = look_at_ != 0 && queue_.deserted(taking_);
      look_at_ = now + (look_at_ == 0 ? slice / 10 : slice);
      if (deserted_) return now;
    }
    return std::min({until_, now + slice, look_at_ == 0 ? INT64_MAX : look_at_});
  }

 private:
  share::shared_queue& queue_;
  const std::int64_t patience_;
  const bool taking_;
  bool deserted_ = false;
  std::int64_t until_ = 0, look_at_ = 0;
};

[[noreturn]] void say_closed() { throw queue_closed("centimane: the queue was closed"); }

}  // namespace

queue_end::queue_end(std::uint64_t max_items, std::uint64_t max_bytes, bool joinable)
    : it_(share::shared_queue::create(
          {static_cast<std::uint32_t>(std::min<std::uint64_t>(max_items, INT32_MAX)), max_bytes, joinable})) {}

bool queue_end::put(std::span<const std::byte> item, std::int64_t patience) const {
  share::queue_core& core = it_->core();
  it_->note_put();
  share::queue_end end = core.put(item, 0);
  if (end == share::queue_end::done) return true;
  waiting wait(*it_, patience, false);
  for (;;) {
    if (end == share::queue_end::busy) end = core.put(item, wait.lock_until());
    if (end == share::queue_end::done) return core.pass_on_room(), true;
    if (end == share::queue_end::closed) say_closed();
    const std::int64_t until = wait.next(end);
    if (until == 0) return false;
    if (end == share::queue_end::later) core.wait_for_room(item.size(), until);
    end = core.put(item, 0);
  }
}

bool queue_end::get(writer& into, std::int64_t patience) const {
  share::queue_core& core = it_->core();
  it_->note_got();
  const auto take = [&](std::span<const std::byte> item) {
    if (!item.empty()) platform::copy_bytes(into.extend(item.size()), item);
  };
  share::queue_end end = core.get(take, 0);
  if (end == share::queue_end::done) return true;
  waiting wait(*it_, patience, true);
  for (;;) {
    if (end == share::queue_end::busy) end = core.get(take, wait.lock_until());
    if (end == share::queue_end::done) return core.pass_on_items(), true;
    if (end == share::queue_end::closed) say_closed();
    const std::int64_t until = wait.next(end);
    if (until == 0) return false;
    if (end == share::queue_end::later) core.wait_for_items(until);
    end = core.get(take, 0);
  }
}

std::size_t queue_end::size() const noexcept { return it_->core().size(); }
std::size_t queue_end::max_items() const noexcept { return it_->core().max_items(); }
bool queue_end::full() const noexcept { return it_->core().full(); }
bool queue_end::closed() const noexcept { return it_->core().closed(); }
void queue_end::close() const noexcept { it_->core().close(); }

void queue_end::task_done() const {
  if (!it_->core().members().task_done())
    throw std::logic_error("centimane: task_done() was called more often than there were items");
}

void queue_end::join() const {
  share::queue_members& members = it_->core().members();
  while (members.unfinished()) {
    const std::int64_t until = platform::now() + slice;
    if (const std::uint32_t lost = members.count_out_lost(until); lost != 0) {
      throw owner_died("centimane: " + std::to_string(lost) + (lost == 1 ? " task" : " tasks") +
                       " of the queue will not be done: who had taken them has ended before it called task_done()");
    }
    members.wait_for_done(until);
  }
}

void queue_end::write(writer& out) const { out.raw(it_->hand_out()); }

queue_end queue_end::read(reader& in, bool joinable) {
  const auto which = in.raw<share::handle>();
  queue_end it(share::shared_queue::open(which));
  if (it.it_->core().joinable() != joinable)
    throw payload_error("centimane: a queue came as a joinable_queue, or the other way round", "read_args");
  return it;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
