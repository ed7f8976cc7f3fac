// The pool's shell: what is large, between the arena and the workers. See pool_core.hpp; memory/ledger.hpp has the
// rules of leases. Whatever a worker says here is a claim, read once and compared with the ledger.
#include <algorithm>
#include <cstring>

#include "platform/clock.hpp"
#include "process/pool_core.hpp"

namespace centimane::engine {
namespace {

/// A worker gives back at most so many leases at once.
constexpr std::uint64_t most_given_back = std::uint64_t{1} << 20;

template <class T>
std::shared_ptr<const control_body> body_of(const T& what) {
  return std::make_shared<const control_body>(std::as_bytes(std::span(&what, 1)));
}

}  // namespace

// ---- tasks

/// The worker is told of the segments of a task's blocks that it does not know, before the task.
void pool_core::show_segments(place& p, const cargo::load& what) {
  for (const auto& block : what.blocks) {
    const memory::segment_number segment = block->where().segment;
    if (!p.maps.insert(segment).second) continue;
    std::uint64_t size = 0;
    auto memory = arena_->file_of(segment, size);
    p.control.post(control::map_arguments, segment, std::make_shared<const control_body>(std::move(memory), size));
  }
}

void pool_core::lend(place& p, const cargo::load& what, std::uint64_t task) {
  place::loan loan{task, {}};
  for (const auto& block : what.blocks) {
    if (arena_->lend(block->number(), p.tenant)) loan.blocks.push_back(block->number());
  }
  p.lent.push_back(std::move(loan));
}

/// The last n tasks that it was sent were taken back: it has not seen them.
void pool_core::unlend(place& p, std::uint32_t n) {
  p.sent -= n;
  for (; !p.lent.empty() && p.lent.back().task >= p.sent; p.lent.pop_back()) {
    for (const memory::lease l : p.lent.back().blocks) arena_->take_back(l, p.tenant);
  }
}

/// The first of the tasks with blocks has its result.
void pool_core::unload(place& p, bool kept) {
  if (!kept) {
    for (const memory::lease l : p.lent.front().blocks) arena_->take_back(l, p.tenant);
  } else {
    p.hoards |= arena_->hoards(p.tenant);
  }
  p.lent.pop_front();
}

// ---- results

/// Takes over what a result's table names; it is the n-th since p.done. Nothing, and the worker is a liar: it names
/// what it was not granted.
std::optional<freight> pool_core::accept(place& p, const channel::result& r, std::uint32_t n) {
  const std::vector<std::byte> copy(r.body.begin(), r.body.end());  // it may change under our eyes
  reader in(copy);
  freight what;
  if (r.header.timed != 0) what.times = in.raw<phase_times>();  // the channel has looked that it is there
  freight_head head;
  bool sane = in.remaining() >= sizeof head;
  if (sane) {
    head = in.raw<freight_head>();
    what.apart = (head.flags & freight_apart) != 0;
    what.kept = (head.flags & freight_kept) != 0;
    sane = head.count <= most_blocks + 1 && head.flags <= (freight_apart | freight_kept) &&
           (!what.apart || head.count > 0) && in.remaining() >= head.count * sizeof(written_block);
  }
  std::uint64_t size = 0;
  for (std::uint32_t k = 0; sane && k < head.count; ++k) {
    const auto block = in.raw<written_block>();
    std::optional<annexed> view = arena_->publish(block.lease, p.tenant, block.length);
    sane = view.has_value();
    if (!sane) break;
    size = std::max(size, block.length);
    what.blocks.push_back(std::move(*view));
  }
  if (!sane) {
    p.lied = true;
    return std::nullopt;
  }
  if (what.kept && !p.lent.empty() && p.lent.front().task == p.done + n) unload(p, true);
  if (!what.apart) what.record.assign(in.rest().begin(), in.rest().end());
  // Its next result is likely to be as large: it need not ask.
  if (size > 0) {
    if (std::optional<memory::grant> next = arena_->give_ahead(p.tenant, size)) post_grant(p, std::move(*next), 0);
  }
  return what;
}

/// The worker asks for room for a result.
void pool_core::answer(std::uint32_t w, std::uint64_t bytes, nanos at) {
  place& p = places_[w];
  if (!p.up || bytes == 0 || arena_->greedy(p.tenant)) return caught_lying(w, at);
  memory::grant g;
  try {
    g = arena_->give(p.tenant, bytes);
  } catch (const std::exception&) {
    g = memory::grant{};
    g.need = bytes;
  }
  post_grant(p, std::move(g), bytes);
  flush(w);
}

void pool_core::post_grant(place& p, memory::grant&& g, std::uint64_t asked) {
  const granted_block what{g.where.offset, g.where.size, g.need, g.have, g.where.segment, asked != 0 ? 1U : 0U};
  if (g.file) {
    p.maps.insert(g.where.segment);
    p.control.post(control::map_results, g.where.segment,
                   std::make_shared<const control_body>(std::move(g.file), g.segment_size));
  }
  p.has_grants |= g.number != 0;
  p.control.post(control::granted, g.number, body_of(what));
}

void pool_core::given_back(std::uint32_t w, control_message& what, nanos at) {
  place& p = places_[w];
  try {
    const std::vector<std::byte> body = what.take_body(most_given_back * sizeof(memory::lease));
    for (reader in(body); in.remaining() >= sizeof(memory::lease);) {
      const auto l = in.raw<memory::lease>();
      if (!arena_->take_back(l, p.tenant) && !arena_->give_up(l, p.tenant)) return caught_lying(w, at);
    }
  } catch (const std::exception&) {
    caught_lying(w, at);
  }
}

void pool_core::caught_lying(std::uint32_t w, nanos at) {
  place& p = places_[w];
  if (p.end.broke_protocol) return;
  p.end.broke_protocol = true;
  if (p.up) {
    fleet_.condemn(w, at);
  } else {
    kill(w);
  }
}

// ---- giving memory back

void pool_core::tidy() {
  const std::int64_t clock = platform::now();
  if (clock >= arena_->tidy_at()) {
    for (const memory::segment_number gone : arena_->tidy(clock)) {
      for (std::uint32_t w = 0; w < places_.size(); ++w) {
        place& p = places_[w];
        if (p.maps.erase(gone) == 0) continue;
        p.control.post(control::unmap, gone);
        flush(w);
        p.ring->nudge();
      }
    }
    for (std::uint32_t w = 0; w < places_.size(); ++w) {
      place& p = places_[w];
      if (!p.up || !p.has_grants || !p.ledger.empty()) continue;
      p.has_grants = false;
      p.control.post(control::tidy);
      flush(w);
      p.ring->nudge();
    }
  }
  const std::int64_t next = arena_->tidy_at();
  tidy_by_ = next == INT64_MAX ? policy::never : next - skew_;
}

}  // namespace centimane::engine
