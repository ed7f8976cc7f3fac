#include "centimane/limiter.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <stdexcept>

#include "centimane/detail/sleeper.hpp"
#include "face/rate.hpp"
#include "platform/clock.hpp"
#include "platform/fork_generation.hpp"

namespace centimane {
inline namespace v0 {
namespace {

/// Events per unit as one event per (unit / events): fractional rates stay exact to the nanosecond.
policy::nanos between(const rate_limit& rate) {
  const double seconds = rate.unit == per::second ? 1 : rate.unit == per::minute ? 60 : 3600;
  return static_cast<policy::nanos>(std::clamp(std::ceil(seconds * 1e9 / rate.events), 1.0, 9e18));
}

}  // namespace

void rate_limit::throw_bad() {
  throw std::invalid_argument("centimane: rate_limit needs a positive number of events and a burst of at least 1");
}

std::shared_ptr<engine::budget> budget_of(const rate_limit& rate) {
  if (rate.drawn_from_) return rate.drawn_from_;
  return std::make_shared<engine::budget>(between(rate), static_cast<std::size_t>(rate.burst));
}

struct limiter::state {
  /// Who waits, in order; only the head asks for tokens.
  class place {
   public:
    explicit place(state& of) : of_(of) {
      const std::lock_guard held(of_.lock);
      if (of_.born != platform::fork_generation()) {  // those who waited are not in this copy of the process
        of_.born = platform::fork_generation();
        of_.line.clear();
      }
      of_.line.push_back(&me_);
    }
    ~place() {
      const std::lock_guard held(of_.lock);
      const bool was_head = of_.line.front() == &me_;
      std::erase(of_.line, &me_);
      if (was_head && !of_.line.empty()) of_.line.front()->ring();  // under the lock: it cannot leave meanwhile
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;

    /// Sleeps until it is at the head. False: not before `until`.
    bool come_up(policy::nanos until) {
      for (;;) {
        const auto ticket = me_.announce();
        {
          const std::lock_guard held(of_.lock);
          if (of_.line.front() == &me_) {
            me_.awake();
            return true;
          }
        }
        if (platform::now() >= until) {
          me_.awake();
          return false;
        }
        me_.sleep(ticket, until);
      }
    }
    void sleep(policy::nanos until) {
      while (platform::now() < until) me_.sleep(me_.announce(), until);
    }

   private:
    state& of_;
    detail::sleeper me_;
  };

  state(rate_limit what, std::shared_ptr<engine::budget> from) : rate(std::move(what)), budget(std::move(from)) {}
  bool nobody_waits() {
    const std::lock_guard held(lock);
    return line.empty() || born != platform::fork_generation();
  }

  const rate_limit rate;
  const std::shared_ptr<engine::budget> budget;
  std::mutex lock;
  std::deque<detail::sleeper*> line;
  std::uint32_t born = platform::fork_generation();
};

limiter::limiter(rate_limit rate) {
  auto from = budget_of(rate);
  state_ = std::make_shared<state>(std::move(rate), std::move(from));
}

limiter::limiter(rate_limit rate, const std::string& shared) {
  auto from = std::make_shared<engine::budget>(between(rate), static_cast<std::size_t>(rate.burst), shared);
  rate.drawn_from_.reset();
  state_ = std::make_shared<state>(std::move(rate), std::move(from));
}

bool limiter::wait(time_span timeout) {
  state& s = *state_;
  if (s.nobody_waits() && s.budget->take() == 0) return true;
  const policy::nanos until =
      timeout.infinite() ? policy::never : policy::later(platform::now(), timeout.get().count());
  state::place mine(s);
  if (!mine.come_up(until)) return false;
  while (const policy::nanos delay = s.budget->take()) {
    const policy::nanos due = policy::later(platform::now(), delay);
    if (due > until) return false;
    mine.sleep(due);
  }
  return true;
}

void limiter::pause(time_span time) { state_->budget->pause(time.infinite() ? policy::never : time.get().count()); }

const rate_limit& limiter::rate() const noexcept { return state_->rate; }

limiter::operator rate_limit() const {
  rate_limit drawn = state_->rate;
  drawn.drawn_from_ = state_->budget;
  return drawn;
}

}  // namespace v0
}  // namespace centimane
