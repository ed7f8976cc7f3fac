#include "share/shared_queue.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "platform/clock.hpp"
#include "platform/fork_hooks.hpp"
#include "platform/memory_users.hpp"

namespace centimane::share {
namespace {

/// As long as a message may take from process to process; one that takes longer has been lost.
constexpr std::int64_t longest_way = 60'000'000'000;
/// What is asked for in turn: limits on address space are rare, and small machines have them.
constexpr std::array<std::size_t, 3> rings{std::size_t{16} << 30, std::size_t{1} << 30, std::size_t{64} << 20};

/// The queues that this process has.
struct known_queues {
  std::mutex mutex;
  std::vector<std::pair<const segment*, std::weak_ptr<shared_queue>>> all;

  static known_queues& get() noexcept {
    static known_queues& it = make();
    return it;
  }
  std::shared_ptr<shared_queue> of(std::shared_ptr<segment> memory) {
    const std::lock_guard hold(mutex);
    std::erase_if(all, [](const auto& one) { return one.second.expired(); });
    for (const auto& [segment, queue] : all) {
      // A queue keeps its segment, so the address is nobody else's.
      std::shared_ptr<shared_queue> found = segment == memory.get() ? queue.lock() : nullptr;
      if (found) return found;
    }
    const segment* which = memory.get();
    auto made = std::make_shared<shared_queue>(std::move(memory));
    all.emplace_back(which, made);
    return made;
  }

 private:
  static known_queues& make() {
    static auto* it = new known_queues;  // outlives every queue, whatever the order of destruction
    platform::at_fork([] { it->mutex.lock(); }, [] { it->mutex.unlock(); }, [] { it->mutex.unlock(); });
    return *it;
  }
};

std::shared_ptr<segment> make_memory(std::size_t ring) {
  const segment::options how{.page_aligned = true, .sparse = true};
  if (ring != 0) return segment::create(queue_core::memory_for(ring), how);
  for (const std::size_t size : rings) {
    try {
      return segment::create(queue_core::memory_for(size), how);
    } catch (const std::system_error&) {
      if (size == rings.back()) throw;
    }
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<shared_queue> shared_queue::create(const queue_rules& rules, std::size_t ring) {
  std::shared_ptr<segment> memory = make_memory(ring);
  queue_core::format(memory->bytes(), rules);
  return known_queues::get().of(std::move(memory));
}

std::shared_ptr<shared_queue> shared_queue::open(const handle& which) {
  return known_queues::get().of(segment::open(which));
}

shared_queue::shared_queue(std::shared_ptr<segment> memory) : segment_(std::move(memory)), core_(segment_->bytes()) {}

queue_memory& shared_queue::memory() const noexcept {
  return *reinterpret_cast<queue_memory*>(segment_->bytes().data());
}

handle shared_queue::hand_out() {
  const handle it = segment_->hand_out();
  memory().handed_out_at.store(platform::now());
  return it;
}

bool shared_queue::deserted(bool taking) const noexcept {
  if (!core_.members().alone()) return false;
  if (segment_->under_way() && platform::now() - memory().handed_out_at.load() < longest_way) return false;
  const bool could_itself = (taking ? put_here_ : got_here_).load(std::memory_order_relaxed);
  if (could_itself && platform::has_other_threads()) return false;
  // A copy by fork that has not called anything yet is no member, and has it all the same.
  return !platform::mapped_elsewhere(segment_->file());
}

}  // namespace centimane::share
