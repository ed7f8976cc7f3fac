#include "memory/ledger.hpp"

#include <algorithm>

#include "memory/size_class.hpp"

namespace centimane::memory {

// ---- segments

segment_number ledger::add(use what, holder whose, std::uint64_t block_size) {
  const std::uint32_t n = blocks_in_segment(what == use::arguments, block_size);
  segment made{what, whose, block_size, std::vector<block>(n), {}};
  for (std::uint32_t k = n; k-- > 0;) made.free.push_back(k);
  segment& s = segments_.emplace(++last_segment_, std::move(made)).first->second;
  open_[shelf_of(s)].insert(last_segment_);
  begin_idle(last_segment_, s, INT64_MAX);  // it is made to be used at once
  return last_segment_;
}

void ledger::begin_idle(segment_number number, segment& s, std::int64_t now) {
  s.idle_since = s.retired ? INT64_MIN : now;
  idle_order_.emplace(s.idle_since, number);
  idle_ += s.size();
}

void ledger::retire(segment_number number, segment& s) {
  if (s.retired) return;
  s.retired = true;
  if (const auto at = open_.find(shelf_of(s)); at != open_.end()) {
    at->second.erase(number);
    if (at->second.empty()) open_.erase(at);
  }
  if (s.idle()) {
    idle_order_.erase({s.idle_since, number});
    idle_ -= s.size();
    begin_idle(number, s, 0);
  }
}

std::vector<segment_number> ledger::drop(std::int64_t before, std::uint64_t most) {
  std::vector<segment_number> gone;
  while (!idle_order_.empty() && (idle_order_.begin()->first <= before || idle_ > most)) {
    const segment_number number = idle_order_.begin()->second;
    segment& s = segments_.at(number);
    retire(number, s);  // off the open shelf
    idle_order_.erase({s.idle_since, number});
    idle_ -= s.size();
    segments_.erase(number);
    gone.push_back(number);
  }
  return gone;
}

std::optional<std::int64_t> ledger::free_since() const noexcept {
  if (idle_order_.empty()) return std::nullopt;
  return idle_order_.begin()->first;
}

// ---- leases

lease ledger::take(use what, holder whose, std::uint64_t size, state as, holder worker) {
  const auto on = open_.find({what, whose, size});
  if (on == open_.end()) return 0;
  // A touched block costs a quarter of a fresh one; among equals the lowest number, so that few segments stay in use.
  segment_number number = *on->second.begin();
  for (const segment_number n : on->second) {
    const segment& s = segments_.at(n);
    if (s.blocks[s.free.back()].leased_before == 0) continue;
    number = n;
    break;
  }
  segment& from = segments_.at(number);
  if (from.idle()) {
    idle_ -= from.size();
    idle_order_.erase({from.idle_since, number});
  }
  const std::uint32_t index = from.free.back();
  from.free.pop_back();
  if (from.free.empty()) {
    on->second.erase(number);
    if (on->second.empty()) open_.erase(on);
  }
  block& b = from.blocks[index];
  b.l = ++last_lease_;
  b.is = as;
  b.worker = worker;
  b.parcel = as == state::argument;
  leases_.emplace(b.l, spot{number, index});
  leased_[static_cast<int>(what)] += size;
  if (worker != 0) {
    tenant& t = tenants_[worker];
    t.leases.insert(b.l);
    ++t.grants;
  }
  return b.l;
}

lease ledger::argument(std::uint64_t size) { return take(use::arguments, 0, size, state::argument, 0); }

lease ledger::grant(holder worker, std::uint64_t size) {
  return worker == 0 ? 0 : take(use::results, worker, size, state::grant, worker);
}

ledger::block* ledger::find(lease l) {
  const auto at = leases_.find(l);
  return at == leases_.end() ? nullptr : &segments_.at(at->second.number).blocks[at->second.index];
}

place ledger::where(lease l) const {
  const spot s = leases_.at(l);
  const segment& in = segments_.at(s.number);
  return {s.number, s.index * in.block_size, in.block_size, in.blocks[s.index].leased_before};
}

void ledger::make_free(lease l, std::int64_t now) {
  const auto at = leases_.find(l);
  const segment_number number = at->second.number;
  segment& in = segments_.at(number);
  block& over = in.blocks[at->second.index];
  over = block{.leased_before = over.leased_before + 1};
  in.free.push_back(at->second.index);
  if (!in.retired) open_[shelf_of(in)].insert(number);
  leased_[static_cast<int>(in.what)] -= in.block_size;
  if (in.idle()) begin_idle(number, in, now);
  leases_.erase(at);
}

void ledger::leave(holder worker, lease l, bool was_grant, std::uint64_t kept) {
  const auto at = tenants_.find(worker);
  if (at == tenants_.end()) return;
  at->second.leases.erase(l);
  at->second.kept -= kept;
  if (was_grant) --at->second.grants;
  if (at->second.leases.empty()) tenants_.erase(at);
}

// ---- arguments

bool ledger::lend(lease l, holder worker) {
  block* b = find(l);
  if (b == nullptr || b->is != state::argument || !b->parcel || b->worker != 0 || worker == 0) return false;
  b->worker = worker;
  tenants_[worker].leases.insert(l);
  return true;
}

bool ledger::take_back(lease l, holder worker, std::int64_t now) {
  block* b = find(l);
  if (b == nullptr || b->is != state::argument || b->worker != worker || worker == 0) return false;
  leave(worker, l, false, b->parcel ? 0 : where(l).size);
  b->worker = 0;
  if (!b->parcel) make_free(l, now);
  return true;
}

void ledger::settle(lease l, std::int64_t now) {
  block* b = find(l);
  if (b == nullptr || b->is != state::argument || !b->parcel) return;
  b->parcel = false;
  if (b->worker == 0) {
    make_free(l, now);
  } else {
    tenants_.at(b->worker).kept += where(l).size;
  }
}

// ---- results

bool ledger::publish(lease l, holder worker, std::uint64_t length) {
  block* b = find(l);
  if (b == nullptr || b->is != state::grant || b->worker != worker || length > where(l).size) return false;
  leave(worker, l, true, 0);
  b->is = state::view;
  b->worker = 0;
  return true;
}

bool ledger::give_up(lease l, holder worker, std::int64_t now) {
  block* b = find(l);
  if (b == nullptr || b->is != state::grant || b->worker != worker) return false;
  leave(worker, l, true, 0);
  make_free(l, now);
  return true;
}

void ledger::release(lease l, std::int64_t now) {
  const block* b = find(l);
  if (b != nullptr && b->is == state::view) make_free(l, now);
}

// ---- events

void ledger::died(holder worker, std::int64_t now) {
  if (const auto at = tenants_.find(worker); at != tenants_.end()) {
    const std::unordered_set<lease> had = std::move(at->second.leases);
    tenants_.erase(at);
    for (const lease l : had) {
      block* b = find(l);
      b->worker = 0;
      if (b->is == state::grant || !b->parcel) make_free(l, now);
    }
  }
  // What it can still write to by a mapping that outlives it (a child of its own) is not given to another.
  for (auto& [number, s] : segments_) {
    if (s.what == use::results && s.whose == worker) retire(number, s);
  }
}

void ledger::pin() {
  for (auto& [number, s] : segments_) {
    const bool viewed =
        std::any_of(s.blocks.begin(), s.blocks.end(), [](const block& b) { return b.is == state::view; });
    if (viewed) retire(number, s);
  }
}

// ---- counts

std::uint64_t ledger::kept(holder worker) const noexcept {
  const auto at = tenants_.find(worker);
  return at == tenants_.end() ? 0 : at->second.kept;
}

std::size_t ledger::grants(holder worker) const noexcept {
  const auto at = tenants_.find(worker);
  return at == tenants_.end() ? 0 : at->second.grants;
}

bool ledger::consistent() const {
  std::uint64_t leased[2] = {0, 0}, idle = 0, found = 0;
  std::unordered_map<holder, tenant> tenants;
  for (const auto& [number, s] : segments_) {
    std::uint64_t free = 0;
    for (std::uint32_t k = 0; k < s.blocks.size(); ++k) {
      const block& b = s.blocks[k];
      const bool listed = std::find(s.free.begin(), s.free.end(), k) != s.free.end();
      if ((b.is == state::free) != listed || (b.l == 0) != listed) return false;
      if (listed) {
        ++free;
        if (b.worker != 0 || b.parcel) return false;
        continue;
      }
      const auto at = leases_.find(b.l);
      if (at == leases_.end() || at->second.number != number || at->second.index != k) return false;
      ++found;
      leased[static_cast<int>(s.what)] += s.block_size;
      if ((b.is == state::argument) != (s.what == use::arguments)) return false;
      if (b.is == state::argument && b.worker == 0 && !b.parcel) return false;
      if (b.is == state::grant && (b.worker == 0 || b.worker != s.whose)) return false;
      if (b.is == state::view && b.worker != 0) return false;
      if (b.worker == 0) continue;
      tenant& t = tenants[b.worker];
      t.leases.insert(b.l);
      if (b.is == state::grant) ++t.grants;
      if (b.is == state::argument && !b.parcel) t.kept += s.block_size;
    }
    if (free != s.free.size()) return false;
    if (s.idle()) idle += s.size();
    if (s.idle() != idle_order_.contains({s.idle_since, number})) return false;
    const auto on = open_.find(shelf_of(s));
    if ((!s.retired && free > 0) != (on != open_.end() && on->second.contains(number))) return false;
  }
  if (found != leases_.size() || idle != idle_ || leased[0] != leased_[0] || leased[1] != leased_[1]) return false;
  if (tenants.size() != tenants_.size()) return false;
  for (const auto& [who, t] : tenants) {
    const auto at = tenants_.find(who);
    if (at == tenants_.end() || at->second.leases != t.leases || at->second.kept != t.kept ||
        at->second.grants != t.grants) {
      return false;
    }
  }
  return true;
}

}  // namespace centimane::memory
