// States that become ready through other states: continuations (then.hpp), and what waits for several (when_all.hpp).
//
// A joint holds an edge for each state that it waits for: a watch that calls it when that state is ready. An edge's
// watch stays with its state until then, and holds the joint so long; nothing has to be unlinked. Cancelling goes up
// the edges: who takes back a joint, which nobody else waits for, wants nothing of its inputs any more. Both ways are
// walked by call_all, one step after another, so chains may be of any length.
//
// Thread safety: edges may be asked for their states from any thread; arrived() is called once an edge.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "centimane/detail/future_state.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

/// A hold of a state that one thread may let go while others ask for it.
class shared_hold {
 public:
  shared_hold() noexcept = default;
  shared_hold(const shared_hold&) = delete;
  shared_hold& operator=(const shared_hold&) = delete;
  ~shared_hold() { take(); }

  /// Precondition: holds nothing.
  void put(future_state& state) noexcept;
  [[nodiscard]] state_ref<future_state> borrow() noexcept;
  state_ref<future_state> take() noexcept;

 private:
  static constexpr std::uintptr_t busy = 1;
  std::uintptr_t enter() noexcept;
  std::atomic<std::uintptr_t> word_{0};
};

class edge;

/// What edges lead to.
class junction {
 public:
  /// The state at the other end is ready. Once an edge that was linked.
  virtual void arrived(edge& from) noexcept = 0;

 protected:
  ~junction() = default;
};

class edge : public watch {
 public:
  /// To be called before link.
  void lead(future_state& from, junction& to) noexcept;
  /// `from` once more. False: it is ready, and arrived() will not be called.
  [[nodiscard]] bool link(future_state& from) noexcept { return from.link(*this); }
  [[nodiscard]] state_ref<future_state> borrow() noexcept { return from_.borrow(); }
  state_ref<future_state> take() noexcept { return from_.take(); }

 private:
  shared_hold from_;
  junction* to_ = nullptr;
};

/// Adds the states of edges that are not ready.
void inputs_of(std::span<edge> edges, std::vector<state_ref<future_state>>& out);
void cancel_inputs_of(std::span<edge> edges) noexcept;

template <class R>
class joint : public state_of<R>, public junction {
 public:
  void inputs(std::vector<state_ref<future_state>>& out) override { inputs_of(edges(), out); }

 protected:
  using state_of<R>::state_of;
  ~joint() override = default;
  [[nodiscard]] virtual std::span<edge> edges() noexcept = 0;
  bool take_back() noexcept override {
    this->hold();
    const bool taken = state_of<R>::take_back();
    if (!taken) {
      this->release();
      return false;
    }
    up_.me = this;
    up_.call = [](watch* w) noexcept {
      joint* const me = static_cast<upward*>(w)->me;
      cancel_inputs_of(me->edges());
      me->release();
    };
    call_all(&up_);
    return true;
  }

 private:
  /// "Cancel my inputs": to be called once, later if need be.
  struct upward : watch {
    joint* me = nullptr;
  };
  upward up_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
