#include "policy/fleet.hpp"

#include <algorithm>
#include <cassert>

#include "policy/fleet_machine.hpp"

namespace centimane::policy {

fleet::machine::machine(const fleet_rules& rules)
    : rules_(rules),
      depth_(std::clamp(rules.depth, 1U, max_depth)),
      places_(rules.workers + 1),
      ready_(rules.workers + 1),
      rich_(rules.workers + 1),
      clock_(rules.workers + 1) {
  assert(rules.workers > 0 && rules.max_tasks > 0);
  absent_.reserve(places_.size());
  for (worker w = rules.workers + 1; w-- > 0;) absent_.push_back(w);
}

fleet::fleet(const fleet_rules& rules) : me_(std::make_unique<machine>(rules)) {}
fleet::~fleet() = default;
fleet::fleet(fleet&&) noexcept = default;
fleet& fleet::operator=(fleet&&) noexcept = default;

void fleet::submit(const task& t, nanos now) { me_->time_is(now), me_->submit(t); }
void fleet::prepare(worker n, nanos now) { me_->time_is(now), me_->prepare(n); }
void fleet::set_depth(std::uint32_t n) { me_->set_depth(n); }
void fleet::set_depth(std::uint32_t of, std::uint32_t n) { me_->set_depth(of, n); }
void fleet::recall(std::uint32_t of, bool hard, nanos now) { me_->time_is(now), me_->recall(of, hard); }
void fleet::close(nanos grace, nanos now) { me_->time_is(now), me_->close(grace); }
void fleet::zygote_up(nanos now) { me_->time_is(now), me_->zygote_up(); }
void fleet::zygote_lost(nanos now) { me_->time_is(now), me_->zygote_lost(); }
void fleet::ready(worker w, nanos now) { me_->time_is(now), me_->ready(w); }
void fleet::start_error(worker w, nanos now) { me_->time_is(now), me_->start_error(w); }
void fleet::fork_failed(worker w, bool resource, nanos now) { me_->time_is(now), me_->fork_failed(w, resource); }
void fleet::published(worker w, index n, nanos now) { me_->time_is(now), me_->published(w, n); }
void fleet::taken(worker w, index n, nanos now) { me_->time_is(now), me_->taken(w, n); }
void fleet::full(worker w, index n, nanos now) { me_->time_is(now), me_->full(w, n); }
void fleet::seen(worker w, reach front, nanos since, nanos now) { me_->time_is(now), me_->seen(w, front, since); }
void fleet::exited(worker w, reach front, nanos now) { me_->time_is(now), me_->exited(w, front); }
void fleet::condemn(worker w, nanos now) { me_->time_is(now), me_->condemn(w); }
void fleet::recycle(worker w, nanos now) { me_->time_is(now), me_->recycle(w); }
order fleet::next(nanos now) {
  me_->time_is(now);
  return me_->next();
}

index fleet::room(std::uint32_t of) const {
  const machine& m = *me_;
  if (m.ending()) return max_depth;
  const run_queue::lane* l = m.queue_.find(of);
  const index queued = l ? l->waiting.items() : 0, held = l ? l->held : 0;
  const std::uint32_t depth = l ? m.depth_of(*l) : m.depth_;
  if (depth > 1) {
    const index most = index{2} * m.rules_.workers * depth;
    return most - std::min(most, queued + held);
  }
  const index free = m.ready_.free();
  if (free > m.queue_.items()) return free - m.queue_.items();
  if (queued > 0 || m.starting_ > 0) return 0;
  return m.alive_ < m.rules_.workers || (held == 0 && m.held_ > 0) ? 1 : 0;
}

bool fleet::settled(worker w) const { return me_->places_[w].settled; }
index fleet::held(worker w) const { return me_->places_[w].held.items(); }
index fleet::held() const { return me_->held_; }
index fleet::queued() const { return me_->queue_.items(); }
index fleet::pending(std::uint32_t of) const {
  const machine& m = *me_;
  const run_queue::lane* l = m.queue_.find(of);
  return l ? l->waiting.items() + l->held : 0;
}
std::uint64_t fleet::done(worker w) const { return me_->places_[w].done; }
std::uint32_t fleet::depth() const { return me_->depth_; }
worker fleet::places() const { return static_cast<worker>(me_->places_.size()); }
worker fleet::free_workers() const { return me_->ready_.free(); }
worker fleet::living() const { return me_->living_; }
fleet::life fleet::state(worker w) const { return me_->places_[w].at; }
failure fleet::failed() const { return me_->failed_; }
bool fleet::closing() const { return me_->closing_; }

}  // namespace centimane::policy
