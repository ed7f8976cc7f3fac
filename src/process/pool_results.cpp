// The pool's shell: empties the workers' result rings into the inboxes of the runs. See pool_core.hpp.
#include <cstring>
#include <utility>

#include "process/pool_core.hpp"

namespace centimane::engine {
namespace {

constexpr std::uint8_t body_in_ring = 0;

/// Under which number a result's block came; 0, which no block has, if the worker wrote nonsense.
std::uint64_t token_of(const channel::result& r) {
  std::uint64_t token = 0;
  if (r.body.size() == sizeof token) std::memcpy(&token, r.body.data(), sizeof token);
  return token;
}

}  // namespace

void pool_core::drain_all(nanos at) {
  for (std::uint32_t w = 0; w < places_.size(); ++w) {
    place& p = places_[w];
    if (p.up && p.ring->readable()) drain(w, at);
  }
}

void pool_core::drain(std::uint32_t w, nanos at) {
  place& p = places_[w];
  std::uint32_t n = 0;
  bool drop = fleet_.settled(w);  // overtime or cancelled: what the task still returns is dropped
  client* last = nullptr;         // each run is woken once a bundle, not once a result
  index row = 0;                  // results of ledger.front() that are handed over and not yet settled
  const auto settle_row = [&] {
    if (row > 0) settle(*last, p.ledger.front().parcel, std::exchange(row, 0));
  };
  const bool sane = p.ring->drain([&](const channel::result& r) {
    policy::task& t = p.ledger.front();
    if (drop) {  // its run may be gone already: nothing of it is touched
      drop = false;
      if (r.header.kind != body_in_ring) p.blocks.erase(token_of(r));
      if (p.held_report) collect_stack(w, policy::never);
    } else {
      if (last == nullptr || last->of != t.of) {
        if (last != nullptr) wake(*last);
        last = clients_.find(t.of)->second.get();
      }
      if (!last->gone) hand_over(*last, w, t, r, at);
      ++row;
    }
    ++t.item;
    ++n;
    if (--t.count == 0) {
      settle_row();
      p.ledger.pop_front();
    }
  });
  settle_row();
  if (n > 0) {
    p.done += n;
    tempo_.measured(n, std::max<nanos>(1, at - p.mark));
    p.mark = at;
    fleet_.published(w, n, at);
    fleet_.set_depth(tempo_.depth());
    if (last != nullptr) wake(*last);
  }
  if (!sane && !p.end.broke_protocol) {
    p.end.broke_protocol = true;
    fleet_.condemn(w, at);
  }
}

/// Copies a result out of the ring, or takes the block that came by the control socket, into the run's inbox.
void pool_core::hand_over(client& who, std::uint32_t w, const policy::task& t, const channel::result& r, nanos at) {
  const int worker = static_cast<int>(w);
  if (r.header.kind == body_in_ring) return who.in.result(t.item, t.attempt, worker, r.header, r.body);
  auto& blocks = places_[w].blocks;
  const std::uint64_t token = token_of(r);
  auto block = blocks.find(token);
  if (block == blocks.end()) {
    hear_worker(w, at);  // it was sent before the result was published
    block = blocks.find(token);
  }
  if (block != blocks.end()) {
    who.in.block(t.item, t.attempt, worker, r.header, std::move(block->second));
    blocks.erase(block);
    return;
  }
  auto why = std::make_shared<trouble>();
  why->where = stage::write_result;
  why->worker = worker;
  why->text = "its result was announced but not sent";
  who.in.lost(t.item, 1, t.attempt, std::move(why));
}

/// n tasks of a parcel have their outcome: their bytes are let go with the last.
void pool_core::settle(client& who, std::uint32_t number, index n) {
  who.outstanding -= n;
  if (who.parcels[number]->settle(n)) {
    who.parcels[number].reset();
    who.free_parcels.push_back(number);
  }
  // A run that has left goes with its last outcome, in tick(), where nobody refers to it.
}

}  // namespace centimane::engine
