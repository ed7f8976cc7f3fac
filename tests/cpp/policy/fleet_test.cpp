// policy::fleet step by step: each test says what happens and what must be ordered, in exact words.
#include "policy/fleet.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace centimane::policy {
namespace {

constexpr nanos ms = 1'000'000;
constexpr nanos s = 1'000'000'000;

task range(std::uint32_t of, index first, index count) {
  task t;
  t.of = of;
  t.item = first;
  t.count = count;
  return t;
}

class FleetTest : public testing::Test {
 protected:
  void make(std::uint32_t workers, std::uint32_t depth) {
    rules.workers = workers;
    rules.depth = depth;
    machine.emplace(rules);
    expect(order::start_zygote);
    f().zygote_up(now);
  }
  fleet& f() { return *machine; }
  order next() { return f().next(now); }
  order expect(order::kind what) {
    const order o = next();
    EXPECT_EQ(int{o.what}, int{what});
    return o;
  }
  void expect_send(worker to, std::uint32_t of, index first, index count) {
    const order o = expect(order::send);
    EXPECT_EQ(o.to, to);
    EXPECT_EQ(o.t.of, of);
    EXPECT_EQ(o.t.item, first);
    EXPECT_EQ(o.t.count, count);
  }
  order expect_report(outcome how, std::uint32_t of, index first, index count) {
    const order o = expect(order::report);
    EXPECT_EQ(static_cast<int>(o.how), static_cast<int>(how));
    EXPECT_EQ(o.t.of, of);
    EXPECT_EQ(o.t.item, first);
    EXPECT_EQ(o.t.count, count);
    return o;
  }
  nanos expect_wait() { return expect(order::wait).until; }
  /// Brings a worker up for what is queued.
  worker up() {
    const worker w = expect(order::fork).to;
    f().ready(w, now);
    return w;
  }

  fleet_rules rules;
  std::optional<fleet> machine;
  nanos now = 1000 * s;
};

TEST_F(FleetTest, NothingToDoIsAWait) {
  make(4, 8);
  EXPECT_EQ(expect_wait(), never);
}

TEST_F(FleetTest, ForksNoMoreWorkersThanThereIsWork) {
  make(64, 8);
  f().submit(range(1, 0, 4), now);
  for (int k = 0; k < 4; ++k) expect(order::fork);
  EXPECT_EQ(expect_wait(), now + rules.start_limit);
  EXPECT_EQ(f().living(), 4U);
}

TEST_F(FleetTest, SharesWhatIsLittle) {
  make(4, 64);
  f().submit(range(1, 0, 8), now);
  std::vector<worker> up;
  for (int k = 0; k < 4; ++k) up.push_back(expect(order::fork).to);
  for (const worker w : up) f().ready(w, now);
  index sent = 0;
  for (order o = next(); o.what == order::send; o = next()) {
    EXPECT_LE(o.t.count, 2U);
    sent += o.t.count;
  }
  EXPECT_EQ(sent, 8U);
  for (const worker w : up) EXPECT_GT(f().held(w), 0U);
}

TEST_F(FleetTest, TenMillionItemsCostOneOrderABundle) {
  make(1, 4096);
  f().submit(range(1, 0, 10'000'000), now);
  const worker w = up();
  expect_send(w, 1, 0, 4096);
  expect_wait();
  f().published(w, 2047, now);
  expect_wait();  // not before half of it is done
  f().published(w, 1, now);
  expect_send(w, 1, 4096, 2048);
  expect_wait();
}

TEST_F(FleetTest, OnlyWhatHadBegunIsLostWithItsWorker) {
  make(1, 8);
  f().submit(range(1, 0, 8), now);
  const worker w = up();
  expect_send(w, 1, 0, 8);
  f().published(w, 2, now);
  f().exited(w, reach::begun, now);
  const order o = expect_report(outcome::died, 1, 2, 1);
  EXPECT_EQ(o.to, w);
  EXPECT_TRUE(o.where == reach::begun);
  const worker next_one = up();
  expect_send(next_one, 1, 3, 5);
}

TEST_F(FleetTest, InnocentFollowersOutliveAnyNumberOfDeaths) {
  make(1, 16);
  f().submit(range(1, 0, 16), now);
  for (index i = 0; i < 16; ++i) {
    const worker w = up();
    expect_send(w, 1, i, 16 - i);
    f().exited(w, reach::begun, now);
    expect_report(outcome::died, 1, i, 1);
  }
  EXPECT_EQ(expect_wait(), never);
}

TEST_F(FleetTest, ClaimedAndNotBegunIsSentAgainAloneThreeTimes) {
  rules.start_failures = 1000;
  make(1, 4);
  f().submit(range(1, 0, 2), now);
  for (int k = 0; k < 4; ++k) {
    now += 10 * s;
    const worker w = up();
    expect_send(w, 1, 0, k == 0 ? 2 : 1);
    expect_wait();
    f().exited(w, reach::claimed, now);
  }
  EXPECT_TRUE(expect_report(outcome::died, 1, 0, 1).where == reach::claimed);
  now += 10 * s;
  expect_send(up(), 1, 1, 1);
}

TEST_F(FleetTest, ASuspectRunsAlone) {
  make(1, 8);
  f().submit(range(1, 0, 1), now);
  worker w = up();
  expect_send(w, 1, 0, 1);
  f().exited(w, reach::begun, now);
  expect_report(outcome::died, 1, 0, 1);
  task again = range(1, 0, 1);
  again.attempt = 2;
  f().submit(again, now);
  f().submit(range(1, 1, 3), now);
  w = up();
  EXPECT_TRUE(expect(order::send).t.alone);
  expect_wait();
  f().published(w, 1, now);
  expect_send(w, 1, 1, 3);
}

TEST_F(FleetTest, ALateTaskIsSettledAtOnceAndItsFollowersAreSaved) {
  make(1, 8);
  task t = range(1, 0, 3);
  t.limit = 5 * s;
  f().submit(t, now);
  const worker w = up();
  expect_send(w, 1, 0, 3);
  const nanos sent_at = now;
  EXPECT_EQ(expect_wait(), now + 5 * s);
  now += 5 * s;
  expect(order::look);
  f().seen(w, reach::begun, sent_at + ms, now);  // it began a little later
  EXPECT_EQ(expect_wait(), sent_at + ms + 5 * s);
  now = sent_at + ms + 5 * s;
  expect(order::look);
  f().seen(w, reach::begun, sent_at + ms, now);
  EXPECT_EQ(expect(order::take_back).n, 2U);
  f().taken(w, 2, now);
  expect_report(outcome::overtime, 1, 0, 1);
  expect(order::soft_stop);
  EXPECT_TRUE(f().settled(w));
  EXPECT_EQ(expect_wait(), now + rules.soft_grace);
  now += rules.soft_grace;
  expect(order::kill);
  expect(order::fork);
  f().exited(w, reach::begun, now);
  EXPECT_EQ(f().queued(), 2U);
}

TEST_F(FleetTest, ALateResultSavesItsWorker) {
  make(1, 1);
  task t = range(1, 0, 1);
  t.limit = s;
  f().submit(t, now);
  const worker w = up();
  expect(order::send);
  now += s;
  expect(order::look);
  f().seen(w, reach::begun, now - s, now);
  expect_report(outcome::overtime, 1, 0, 1);
  expect(order::soft_stop);
  f().published(w, 1, now);
  EXPECT_FALSE(f().settled(w));
  f().submit(range(1, 1, 1), now);
  expect_send(w, 1, 1, 1);
}

TEST_F(FleetTest, AFreeWorkerRobsTheFullest) {
  make(2, 8);
  f().submit(range(1, 0, 8), now);
  const worker a = expect(order::fork).to;
  const worker b = expect(order::fork).to;
  f().ready(a, now);
  expect_send(a, 1, 0, 4);
  while (next().what == order::send) {
  }
  f().ready(b, now);
  while (next().what == order::send) {
  }
  f().published(b, f().held(b), now);
  const order o = expect(order::take_back);
  EXPECT_EQ(o.to, a);
  EXPECT_EQ(o.n, f().held(a) / 2);
  f().taken(a, 0, now);
  expect_wait();  // a refusal is remembered
}

TEST_F(FleetTest, FullStaysFullUntilItPublishes) {
  make(1, 8);
  f().submit(range(1, 0, 8), now);
  const worker w = up();
  expect_send(w, 1, 0, 8);
  f().full(w, 5, now);
  expect_wait();
  EXPECT_EQ(f().held(w), 3U);
  f().published(w, 1, now);
  expect_send(w, 1, 3, 5);
}

TEST_F(FleetTest, NeverMoreThanMaxTasksAndAnHeirComesFirst) {
  rules.max_tasks = 3;
  make(1, 8);
  f().submit(range(1, 0, 5), now);
  const worker elder = up();
  expect_send(elder, 1, 0, 3);
  const worker heir = up();
  EXPECT_NE(elder, heir);
  expect_send(heir, 1, 3, 2);
  expect_wait();
  f().published(elder, 3, now);
  EXPECT_EQ(expect(order::retire).to, elder);
}

TEST_F(FleetTest, ARunOfTenMillionsDoesNotStarveAnother) {
  make(1, 16);
  f().submit(range(1, 0, 10'000'000), now);
  const worker w = up();
  expect_send(w, 1, 0, 16);
  f().submit(range(2, 0, 4), now);
  f().published(w, 16, now);
  expect_send(w, 1, 16, 16);
  expect_wait();
  f().published(w, 16, now);
  expect_send(w, 2, 0, 4);
  expect_send(w, 1, 32, 12);
}

TEST_F(FleetTest, ARunThatNeedsAFreeWorkerGetsItsTurn) {
  make(1, 16);
  f().submit(range(1, 0, 1000), now);
  const worker w = up();
  expect_send(w, 1, 0, 16);
  f().set_depth(2, 1);
  EXPECT_EQ(f().room(2), 1U);
  f().submit(range(2, 0, 1), now);
  EXPECT_EQ(f().room(2), 0U);
  f().published(w, 8, now);
  expect_send(w, 1, 16, 8);
  expect_wait();
  f().published(w, 8, now);
  expect_send(w, 1, 24, 8);  // the turn of run 1 ends with it
  expect_wait();
  f().published(w, 8, now);
  EXPECT_EQ(expect(order::take_back).n, 7U);
  f().taken(w, 7, now);
  expect_wait();
  f().published(w, 1, now);
  expect_send(w, 2, 0, 1);
}

TEST_F(FleetTest, RecallTakesBackAndLeavesOthersAlone) {
  make(1, 8);
  f().submit(range(1, 0, 3), now);
  f().submit(range(2, 0, 3), now);
  const worker w = up();
  while (next().what == order::send) {
  }
  ASSERT_EQ(f().held(w), 6U);
  f().recall(1, false, now);
  const order o = expect(order::take_back);
  EXPECT_EQ(o.n, 6U);
  f().taken(w, 5, now);  // the first is claimed
  index unsent = 0, sent = 0;
  for (order each = next(); each.what != order::wait; each = next()) {
    if (each.what == order::report) {
      EXPECT_EQ(each.t.of, 1U);
      EXPECT_TRUE(each.how == outcome::unsent);
      unsent += each.t.count;
    } else {
      ASSERT_EQ(int{each.what}, int{order::send});
      EXPECT_EQ(each.t.of, 2U);
      sent += each.t.count;
    }
  }
  EXPECT_EQ(unsent, 2U);
  EXPECT_EQ(sent, 3U);
}

TEST_F(FleetTest, AHardRecallEndsWhatRuns) {
  make(1, 1);
  f().submit(range(1, 0, 1), now);
  const worker w = up();
  expect(order::send);
  f().recall(1, true, now);
  expect(order::take_back);
  f().taken(w, 0, now);
  expect_report(outcome::cancelled, 1, 0, 1);
  expect(order::soft_stop);
  now = expect_wait();
  expect(order::kill);
}

TEST_F(FleetTest, FiveFailedStartsFailTheFleetOnce) {
  make(1, 1);
  f().submit(range(1, 0, 3), now);
  for (int k = 0; k < 5; ++k) {
    f().start_error(expect(order::fork).to, now);
    if (k < 4) now = expect_wait();
  }
  EXPECT_TRUE(expect(order::fail).why == failure::starts);
  EXPECT_TRUE(expect_report(outcome::died, 1, 0, 3).why == failure::starts);
  EXPECT_EQ(expect_wait(), never);
  f().submit(range(1, 3, 1), now);
  EXPECT_TRUE(expect_report(outcome::died, 1, 3, 1).why == failure::starts);
  f().close(0, now);
  expect(order::closed);
  expect(order::closed);
}

TEST_F(FleetTest, WithoutResourcesItTriesEachSecondAndFailsAfterTen) {
  make(4, 1);
  f().submit(range(1, 0, 4), now);
  std::vector<worker> all;
  for (int k = 0; k < 4; ++k) all.push_back(expect(order::fork).to);
  for (const worker w : all) f().fork_failed(w, true, now);
  for (int k = 0; k < 9; ++k) {
    EXPECT_EQ(expect_wait(), now + s);
    now += s;
    const worker w = expect(order::fork).to;
    EXPECT_EQ(expect_wait(), now + rules.start_limit);  // one try at a time
    f().fork_failed(w, true, now);
  }
  now = expect_wait();
  f().fork_failed(expect(order::fork).to, true, now);
  EXPECT_TRUE(expect(order::fail).why == failure::resources);
}

TEST_F(FleetTest, WhoOutlivesItsKillIsAbandonedAndReplaced) {
  make(1, 4);
  f().submit(range(1, 0, 3), now);
  const worker w = up();
  expect_send(w, 1, 0, 3);
  f().condemn(w, now);
  EXPECT_EQ(expect(order::kill).to, w);
  const worker other = expect(order::fork).to;
  now += rules.kill_limit;
  expect(order::look);
  f().seen(w, reach::begun, now, now);
  EXPECT_EQ(expect(order::abandon).to, w);
  expect_report(outcome::died, 1, 0, 1);
  f().ready(other, now);
  expect_send(other, 1, 1, 2);
}

TEST_F(FleetTest, CloseReportsTakesBackWaitsAndKills) {
  make(1, 2);
  f().submit(range(1, 0, 4), now);
  const worker w = up();
  expect_send(w, 1, 0, 2);
  f().close(3 * s, now);
  f().close(9 * s, now);  // never longer
  expect_report(outcome::cancelled, 1, 2, 2);
  EXPECT_EQ(expect(order::take_back).n, 2U);
  f().taken(w, 1, now);
  expect_report(outcome::cancelled, 1, 1, 1);
  EXPECT_EQ(expect_wait(), now + 3 * s);
  now += 3 * s;
  expect(order::look);
  f().seen(w, reach::begun, now - s, now);
  expect_report(outcome::cancelled, 1, 0, 1);
  expect(order::kill);
  f().exited(w, reach::begun, now);
  expect(order::closed);
}

TEST_F(FleetTest, ALostZygoteEmptiesThePlacesOfThoseWhoWereStarting) {
  make(2, 1);
  f().submit(range(1, 0, 2), now);
  const worker a = expect(order::fork).to;
  const worker b = expect(order::fork).to;
  f().ready(a, now);
  expect_send(a, 1, 0, 1);
  f().zygote_lost(now);
  EXPECT_TRUE(f().state(b) == fleet::life::absent);
  EXPECT_EQ(expect(order::kill).to, a);
  f().exited(a, reach::begun, now);
  expect_report(outcome::died, 1, 0, 1);
  EXPECT_EQ(expect_wait(), now + rules.backoff);
  now += rules.backoff;
  expect(order::start_zygote);
}

TEST_F(FleetTest, IdleWorkersAreRetired) {
  rules.idle_after = 60 * s;
  make(1, 1);
  f().submit(range(1, 0, 1), now);
  const worker w = up();
  expect(order::send);
  f().published(w, 1, now);
  now += 60 * s;
  EXPECT_EQ(expect(order::retire).to, w);
  f().exited(w, reach::sent, now);
  EXPECT_EQ(expect_wait(), never);
}

TEST_F(FleetTest, PrepareBringsWorkersUpAheadOfWork) {
  make(4, 1);
  f().set_depth(1, 1);
  f().prepare(3, now);
  for (int k = 0; k < 3; ++k) f().ready(expect(order::fork).to, now);
  expect_wait();
  EXPECT_EQ(f().room(1), 3U);
}

TEST_F(FleetTest, ATimedTaskLeftUnclaimedForEverMovesOn) {
  make(1, 1);
  task t = range(1, 0, 1);
  t.limit = s;
  f().submit(t, now);
  const worker w = up();
  expect(order::send);
  for (int k = 0; k < 60; ++k) {
    now = expect_wait();
    expect(order::look);
    f().seen(w, reach::sent, 0, now);
  }
  EXPECT_EQ(expect(order::kill).to, w);
  f().exited(w, reach::sent, now);
  EXPECT_EQ(f().queued(), 1U);
}

}  // namespace
}  // namespace centimane::policy
