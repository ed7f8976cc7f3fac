// Looks for roots, watches them, sleeps.
#include "thread/deep_wait.hpp"

#include <algorithm>
#include <deque>
#include <vector>

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

using states = std::vector<state_ref<future_state>>;

/// The states that those wait for in the end. Through several ways a root may be found several times.
states roots_of(std::span<const state_ref<future_state>> them) {
  states open, roots;
  for (const auto& s : them) {
    if (s->ready()) continue;
    s->hold();
    open.emplace_back(s.get());
  }
  while (!open.empty()) {
    state_ref<future_state> s = std::move(open.back());
    open.pop_back();
    const std::size_t before = open.size();
    s->inputs(open);
    if (open.size() == before) roots.push_back(std::move(s));
  }
  return roots;
}

/// Watches that are unlinked again.
class watches {
 public:
  explicit watches(sleeper& me) : me_(me) {}
  watches(const watches&) = delete;
  watches& operator=(const watches&) = delete;
  ~watches() {
    for (one& w : them_) w.state->unlink(w);
  }
  /// False: there is news of it already.
  bool add(future_state& state) {
    one& w = them_.emplace_back();
    w.state = &state;
    w.whom = &me_;
    w.news = true;
    if (!state.link(w)) {
      them_.pop_back();
      return false;
    }
    states since;
    state.inputs(since);
    return since.empty();
  }

 private:
  struct one : watch {
    future_state* state = nullptr;
  };
  sleeper& me_;
  std::deque<one> them_;
};

}  // namespace

bool wait_at_the_roots(std::span<const state_ref<future_state>> them, sleeper& me, condition done, std::int64_t until) {
  const no_calls_put_off while_waiting;
  while (!done()) {
    const std::uint32_t ticket = me.announce();
    const states roots = roots_of(them);
    if (std::any_of(roots.begin(), roots.end(), [](const auto& root) { return root->run_here(); })) {
      me.awake();
      continue;
    }
    watches linked(me);
    const bool quiet =
        std::all_of(roots.begin(), roots.end(), [&](const auto& root) { return linked.add(*root.get()); });
    if (!quiet || done()) {
      me.awake();
    } else if (me.sleep(ticket, until) == woken::late) {
      return done();
    }
  }
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
