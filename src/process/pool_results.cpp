// The pool's shell: empties the workers' result rings into the inboxes of the runs. See pool_core.hpp.
#include <utility>

#include "process/pool_core.hpp"

namespace centimane::engine {
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
      if (r.header.kind != kind_body) static_cast<void>(accept(p, r, n));  // and let go of
      if (p.held_report) collect_stack(w, policy::never);
    } else {
      if (last == nullptr || last->of != t.of) {
        if (last != nullptr) wake(last->root());
        last = clients_.find(t.of)->second.get();
      }
      if (r.header.ok == 0) last->root().failed = true;
      if (r.header.kind != kind_body) {
        hand_over_heavy(*last, w, t, r, n);
      } else if (!last->gone) {
        last->root().in.result(t.item, t.attempt, static_cast<int>(w), r.header, r.body);
      }
      ++row;
    }
    if (!p.lent.empty() && p.lent.front().task == p.done + n) unload(p, false);
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
    if (last != nullptr) wake(last->root());
  }
  if ((!sane || p.lied) && !p.end.broke_protocol) {
    p.end.broke_protocol = true;
    fleet_.condemn(w, at);
  }
  if (n > 0 && (p.hoards || p.ring->wants_recycle())) {
    p.hoards = false;
    fleet_.recycle(w, at);
  }
}

/// What is large in a result stays where the worker has written it; its record is copied.
void pool_core::hand_over_heavy(client& who, std::uint32_t w, const policy::task& t, const channel::result& r,
                                std::uint32_t n) {
  std::optional<freight> heavy = accept(places_[w], r, n);
  if (who.gone) return;
  if (heavy) return who.root().in.heavy(t.item, t.attempt, static_cast<int>(w), r.header, std::move(*heavy));
  auto why = std::make_shared<trouble>();
  why->where = stage::protocol;
  why->worker = static_cast<int>(w);
  why->pid = places_[w].pid;
  why->text = "its worker announced a result in memory that it does not have";
  who.root().in.lost(t.item, 1, t.attempt, std::move(why));
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
