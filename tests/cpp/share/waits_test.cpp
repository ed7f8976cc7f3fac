// Conditions, events and barriers between processes: no death swallows a notification or keeps anybody waiting.
#include <atomic>
#include <string>
#include <vector>

#include "centimane/errors.hpp"
#include "children.hpp"
#include "leak_check.hpp"
#include "platform/clock.hpp"
#include "share/barrier.hpp"
#include "share/condition.hpp"
#include "share/event.hpp"

namespace {

namespace cm = centimane;
using cm::share::barrier;
using cm::share::cell;
using cm::share::cell_kind;
using cm::share::condition;
using cm::share::event;
using cm::share::patience;
using cm::test::child;
using cm::test::counters;
using cm::test::die_at;
using cm::test::until;

class event_test : public cm::test::leak_check {};
class condition_test : public cm::test::leak_check {};
class barrier_test : public cm::test::leak_check {};

TEST_F(event_test, is_waited_for_and_cleared) {
  const auto e = event::make();
  patience none(0), moment(cm::platform::now() + 1);
  EXPECT_EQ(e->wait(none), event::outcome::late);
  EXPECT_EQ(e->wait(moment), event::outcome::late);
  child waiter([&] {
    patience wait;
    return e->wait(wait) == event::outcome::set;
  });
  e->set();
  e->set();
  waiter.expect_good();
  EXPECT_EQ(e->wait(none), event::outcome::set);
  e->clear();
  EXPECT_FALSE(e->is_set());
}

TEST_F(event_test, who_waits_is_let_go_even_if_it_is_cleared_at_once) {
  const auto e = event::make();
  const counters n;
  child waiter([&] {
    patience wait(
        patience::for_ever,
        [](void* mark) {  // between two sleeps: it has begun to wait
          static_cast<std::atomic<std::uint64_t>*>(mark)->store(1);
          return true;
        },
        &n[0]);
    return e->wait(wait) == event::outcome::set;
  });
  until([&] { return n[0].load() == 1; });
  e->set();
  e->clear();
  waiter.expect_good();
}

TEST_F(event_test, a_setter_that_dies_before_it_wakes_anybody_delays_them_only) {
  const auto e = event::make();
  child waiter([&] {
    patience wait;
    return e->wait(wait) == event::outcome::set;
  });
  child setter([&] {
    die_at("share.event.set");
    e->set();
    return true;
  });
  setter.expect_killed();
  waiter.expect_good();
}

/// Joins, says so, and waits; the place is left as the answer says.
bool wait_for_news(condition& c, std::atomic<std::uint64_t>& joined) {
  const std::size_t place = c.join();
  joined.fetch_add(1);
  patience wait;
  const bool good = c.sleep(place, wait) == condition::outcome::notified;
  c.leave(place, good);
  return good;
}

TEST_F(condition_test, gives_each_notification_to_one_waiter_the_oldest_first) {
  const auto c = condition::make();
  const counters n;
  EXPECT_EQ(c->notify(1), 0U);
  const auto second_after_first = [&](std::uint64_t turn) {
    return [&, turn] {
      until([&] { return n[0].load() == turn; });
      const bool good = wait_for_news(*c, n[0]);
      n[1].fetch_add(1);
      return good && n[1].load() > turn;
    };
  };
  child a(second_after_first(0)), b(second_after_first(1));
  until([&] { return n[0].load() == 2; });
  EXPECT_EQ(c->waiting(), 2U);
  EXPECT_EQ(c->notify(1), 1U);
  a.expect_good();
  EXPECT_EQ(c->notify(5), 1U);
  b.expect_good();
  EXPECT_EQ(c->waiting(), 0U);
  EXPECT_EQ(c->notify(1), 0U);
}

TEST_F(condition_test, a_wait_that_is_late_leaves_no_trace) {
  const auto c = condition::make();
  const std::size_t place = c->join();
  patience moment(cm::platform::now() + 1);
  EXPECT_EQ(c->sleep(place, moment), condition::outcome::late);
  c->leave(place, false);
  EXPECT_EQ(c->notify(1), 0U);
}

TEST_F(condition_test, a_notification_that_comes_to_one_who_leaves_goes_to_another) {
  const auto c = condition::make();
  const counters n;
  const std::size_t mine = c->join();
  child other([&] { return wait_for_news(*c, n[0]); });
  until([&] { return n[0].load() == 1; });
  EXPECT_EQ(c->notify(1), 1U);  // mine: it came first
  c->leave(mine, false);
  other.expect_good();
}

TEST_F(condition_test, later_waiters_do_not_get_what_was_given_before_they_came) {
  const auto c = condition::make();
  const std::size_t early = c->join();
  EXPECT_EQ(c->notify(1), 1U);
  const std::size_t late = c->join();
  c->leave(early, false);
  patience none(0);
  EXPECT_EQ(c->sleep(late, none), condition::outcome::late);
  c->leave(late, false);
}

TEST_F(condition_test, dead_waiters_are_passed_over) {
  const auto c = condition::make();
  const counters n;
  {
    child dead([&] { return wait_for_news(*c, n[0]); });
    until([&] { return n[0].load() == 1; });
  }
  child alive([&] { return wait_for_news(*c, n[0]); });
  until([&] { return n[0].load() == 2; });
  EXPECT_EQ(c->notify(1), 1U);
  alive.expect_good();
}

TEST_F(condition_test, a_death_at_any_step_swallows_nothing) {
  for (const char* point : {"share.condition.claimed", "share.condition.joined", "share.condition.sleep",
                            "share.condition.woken", "share.condition.idle"}) {
    SCOPED_TRACE(point);
    const auto c = condition::make();
    const counters n;
    child victim([&] {
      die_at(point);
      return wait_for_news(*c, n[0]);
    });
    child waiter([&] {
      until([&] { return n[2].load() == 1; });
      return wait_for_news(*c, n[1]);
    });
    const std::string_view name = point;
    if (name == "share.condition.woken" || name == "share.condition.idle") {
      until([&] { return n[0].load() == 1; });
      n[2].store(1);
      until([&] { return n[1].load() == 1; });
      EXPECT_GE(c->notify(1), 1U);  // the victim's; it dies with it, or after it
      if (name == "share.condition.idle") {
        victim.expect_killed();
        EXPECT_GE(c->notify(1), 1U);
      }
    } else {
      victim.expect_killed();
      n[2].store(1);
      until([&] { return n[1].load() == 1; });
      EXPECT_GE(c->notify(1), 1U);
    }
    waiter.expect_good();
    victim.join();
    EXPECT_EQ(c->notify(1), 0U);
  }
}

TEST_F(condition_test, a_notifier_may_die_at_any_step) {
  for (const char* point : {"share.condition.notified", "share.condition.told"}) {
    SCOPED_TRACE(point);
    const auto c = condition::make();
    const counters n;
    child waiter([&] { return wait_for_news(*c, n[0]); });
    until([&] { return n[0].load() == 1; });
    child notifier([&] {
      die_at(point);
      c->notify(1);
      return true;
    });
    notifier.expect_killed();
    waiter.expect_good();
  }
}

TEST_F(condition_test, places_of_the_dead_serve_others) {
  const auto c = condition::make();
  for (int round = 0; round < 3; ++round) {
    child many([&] {
      for (std::size_t k = 0; k < condition::places; ++k) static_cast<void>(c->join());
      return true;
    });
    many.expect_good();
  }
  std::vector<std::size_t> mine;
  for (std::size_t k = 0; k < condition::places; ++k) mine.push_back(c->join());
  EXPECT_THROW((void)c->join(), cm::resource_limit);
  for (const std::size_t k : mine) c->leave(k, false);
  EXPECT_EQ(c->waiting(), 0U);
}

TEST_F(condition_test, survives_random_kills) {
  const auto c = condition::make();
  const counters n;
  const auto work = [&] {
    for (;;) {
      wait_for_news(*c, n[0]);
      n[1].fetch_add(1);
    }
    return true;
  };
  for (int round = 0; round < 10; ++round) {
    child a(work), b(work);
    for (int kill = 0; kill < 2; ++kill) {
      const std::uint64_t before = n[1].load();
      until([&] {
        c->notify(2);
        return n[1].load() > before + 20;
      });
      if (kill == 0) a.kill();
    }
  }
}

/// Arrives and waits.
barrier::outcome pass(barrier& b, patience wait = patience()) {
  patience in;
  const barrier::arrival at = b.arrive(in);
  if (at.how != barrier::outcome::passed) return at.how;
  return at.last ? b.complete(at.place) : b.wait(at.place, wait);
}
constexpr auto passed = barrier::outcome::passed;
constexpr auto broken = barrier::outcome::broken;

TEST_F(barrier_test, lets_all_go_round_after_round) {
  const auto b = barrier::make(3);
  const counters n;
  const auto work = [&] {
    for (std::uint64_t k = 1; k <= 200; ++k) {
      n[0].fetch_add(1);
      if (pass(*b) != passed || n[0].load() < 3 * k || pass(*b) != passed) return false;
    }
    return true;
  };
  child a(work), c(work);
  EXPECT_TRUE(work());
  a.expect_good();
  c.expect_good();
  EXPECT_EQ(n[0].load(), 600U);
  EXPECT_EQ(b->waiting(), 0U);
  EXPECT_FALSE(b->broken());
}

TEST_F(barrier_test, is_broken_by_time_by_abort_and_mended_by_reset) {
  const auto b = barrier::make(2);
  EXPECT_EQ(pass(*b, patience(0)), broken);
  EXPECT_EQ(pass(*b), broken) << "until it is reset";
  b->reset();
  EXPECT_FALSE(b->broken());
  child waiter([&] { return pass(*b) == broken; });
  until([&] { return b->waiting() == 1; });
  b->abort();
  waiter.expect_good();
  EXPECT_TRUE(b->broken());
  b->reset();
  child again([&] { return pass(*b) == broken; });
  until([&] { return b->waiting() == 1; });
  b->reset();
  again.expect_good();
  child pair([&] { return pass(*b) == passed; });
  EXPECT_EQ(pass(*b), passed);
  pair.expect_good();
}

TEST_F(barrier_test, a_party_that_dies_at_it_breaks_it) {
  const auto b = barrier::make(3);
  child waiter([&] { return pass(*b) == broken; });
  until([&] { return b->waiting() == 1; });
  child victim([&] { return pass(*b) == passed; });
  until([&] { return b->waiting() == 2; });
  victim.kill();
  waiter.expect_good();
  EXPECT_TRUE(b->broken());
}

TEST_F(barrier_test, the_last_may_die_in_its_action) {
  const auto b = barrier::make(2);
  child waiter([&] { return pass(*b) == broken; });
  until([&] { return b->waiting() == 1; });
  child last([&] {
    patience in;
    return b->arrive(in).last;  // and ends
  });
  last.expect_good();
  waiter.expect_good();
}

TEST_F(barrier_test, a_death_at_any_step_keeps_nobody) {
  for (const char* point : {"share.barrier.arriving", "share.barrier.arrived", "share.barrier.phase",
                            "share.barrier.left", "share.barrier.sleep"}) {
    for (const bool first : {true, false}) {
      SCOPED_TRACE(std::string(point) + (first ? ", the first to come" : ", the last to come"));
      const auto b = barrier::make(2);
      const counters n;
      const auto other = [&] {
        if (first) until([&] { return n[0].load() == 1; });
        n[1].store(1);
        // With the time limit of a user who does not know whether the other comes.
        return pass(*b, patience(cm::platform::now() + 50'000'000)) != barrier::outcome::stopped;
      };
      child waiter(other);
      child victim([&] {
        die_at(point);
        if (first)
          n[0].store(1);
        else
          until([&] { return b->waiting() == 1 || b->broken(); });
        static_cast<void>(pass(*b));
        return true;
      });
      waiter.expect_good();
      victim.kill();
      victim.join();
      b->reset();
      child pair([&] { return pass(*b) == passed; });
      EXPECT_EQ(pass(*b), passed);
      pair.expect_good();
    }
  }
}

}  // namespace
