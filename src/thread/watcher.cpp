// One thread, many futures: a watch at each state, a list of those that finished.
#include "centimane/detail/watcher.hpp"

#include <algorithm>
#include <deque>

#include "centimane/future.hpp"
#include "thread/deep_wait.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

struct watcher::parts {
  struct entry : watch {
    future_state* state = nullptr;
    std::size_t number = 0;
    bool linked = false;
  };
  sleeper me;
  watch_group group;
  std::deque<entry> entries;       // watches must stay where they are
  std::vector<entry*> finished;    // taken from the group, latest first
  std::vector<attendant*> owners;  // distinct
  std::size_t seen = 0;            // handed out

  ~parts() {
    for (entry& e : entries) {
      if (e.linked) e.state->unlink(e);
      e.state->release();
    }
  }

  void add(future_state* state) {
    if (state == nullptr) throw_no_state();
    attendant* const owner = state->attended_by();
    if (owner != nullptr && std::find(owners.begin(), owners.end(), owner) == owners.end()) {
      owners.push_back(owner);
      // One of them can be attended by the thread that waits; the others must come in by themselves.
      if (owners.size() > 1) owner->go_alone();
    }
    entry& e = entries.emplace_back();
    state->hold();
    e.state = state;
    e.number = entries.size() - 1;
    e.whom = &me;
    e.group = &group;
    e.linked = state->link(e);
    if (!e.linked) group.put(&e);
  }

  /// The next that finished, or null once `until` has passed.
  entry* next(std::int64_t until) {
    if (seen == entries.size()) return nullptr;
    if (finished.empty()) {
      if (group.empty() && !run_one() && !wait_for_one(until)) return nullptr;
      for (watch* w = group.take(); w != nullptr; w = w->next) finished.push_back(static_cast<entry*>(w));
    }
    entry* e = finished.back();
    finished.pop_back();
    ++seen;
    return e;
  }

  bool wait_for_one(std::int64_t until) {
    const auto one = [this] { return !group.empty(); };
    if (!helps_too_deep()) return wait_until(me, one, until, owners.empty() ? nullptr : owners.front());
    std::vector<state_ref<future_state>> states;
    for (const entry& e : entries) {
      e.state->hold();
      states.emplace_back(e.state);
    }
    return wait_at_the_roots(states, me, one, until);
  }

  /// In a worker of the pool: runs one of the watched tasks itself, if one has not begun. Goes through them once in
  /// all. True: one of them is ready.
  bool run_one() {
    if (helper() == nullptr) return false;
    while (tried < entries.size()) {
      future_state& state = *entries[tried++].state;
      if (state.run_here() && state.ready()) return true;
    }
    return false;
  }
  std::size_t tried = 0;
};

watcher::watcher() : parts_(std::make_unique<parts>()) {}
watcher::~watcher() = default;
watcher::watcher(watcher&&) noexcept = default;
watcher& watcher::operator=(watcher&&) noexcept = default;

void watcher::add(future_state* state) { parts_->add(state); }

std::size_t watcher::next(std::int64_t until) {
  auto* e = parts_->next(until);
  return e == nullptr ? none : e->number;
}

std::size_t watcher::wait(bool first, bool first_error, std::int64_t until) {
  while (auto* e = parts_->next(until)) {
    if (first || (first_error && e->state->failed())) break;
  }
  return static_cast<std::size_t>(
      std::count_if(parts_->entries.begin(), parts_->entries.end(), [](const auto& e) { return e.state->ready(); }));
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
