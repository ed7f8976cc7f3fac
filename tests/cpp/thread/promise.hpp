// A future's state that a test makes ready.
#pragma once
#include <stdexcept>
#include <utility>

#include "centimane/future.hpp"

namespace centimane::test {

/// A result that the test gives; given up if it gives none.
template <class R>
class promise {
  struct state final : centimane::detail::state_of<R> {
    state() : centimane::detail::state_of<R>(2) {}
  };

 public:
  promise() : state_(new state) {}
  promise(promise&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  ~promise() {
    if (state_ != nullptr) give_up();
  }
  centimane::future<R> future() { return centimane::detail::future_access::make<R>(state_); }
  template <class... V>
  void give(V&&... value) {
    if (state_->begin()) {
      state_->set(std::forward<V>(value)...);
      state_->finish();
    }
    std::exchange(state_, nullptr)->release();
  }
  void give_up() {
    if (state_->begin()) {
      state_->fail(std::make_exception_ptr(std::runtime_error("broken")));
      state_->finish();
    }
    std::exchange(state_, nullptr)->release();
  }

 private:
  state* state_;
};

}  // namespace centimane::test
