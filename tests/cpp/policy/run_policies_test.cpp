// policy::run and its policies: retries, limiter, halts, checkpoints, one behaviour at a time.
#include "cpp/policy/run_expect.hpp"

namespace centimane::policy {
namespace {

// ---- retries

TEST(Run, ARetryWaitsItsTimeAndGoesBeforeWhatIsNew) {
  rules r = sized(5);
  r.attempts = 3;
  r.backoff = 10;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_FALSE(m.ended(0, 1, outcome::error, true, 0, 5));
  expect_start(m.next(5, 1), 1, 1);
  expect_wait(m.next(5, 0), 15);
  expect_wait(m.next(14, 0), 15);
  expect_start(m.next(15, 1), 0, 1, 2);
  EXPECT_FALSE(m.ended(0, 2, outcome::died, true, 0, 20));
  expect_start(m.next(40, 1), 0, 1, 3);
  EXPECT_TRUE(m.ended(0, 3, outcome::overtime, true, 0, 41));
  EXPECT_EQ(m.failed(), 1U);
  expect_start(m.next(41, 1), 2, 1);
}

TEST(Run, WhatThePolicyDoesNotNameIsNotTriedAgain) {
  rules r = sized(1);
  r.attempts = 3;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_TRUE(m.ended(0, 1, outcome::error, false, 0, 0));
  expect_finish(m.next(0, 1), status::completed);
}

TEST(Run, ACancelledAttemptIsNoErrorAndNotTriedAgain) {
  rules r = sized(1);
  r.attempts = 3;
  r.max_errors = 0;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_TRUE(m.ended(0, 1, outcome::cancelled, true, 0, 0));
  expect_finish(m.next(0, 1), status::completed);
  EXPECT_EQ(m.cancelled(), 1U);
  EXPECT_EQ(m.failed(), 0U);
}

TEST(Run, WhatWasNeverBegunGoesOutAgainAsTheSameAttempt) {
  run m(sized(1));
  for (int i = 0; i < 5; ++i) {
    expect_start(m.next(0, 1), 0, 1, 1);
    EXPECT_FALSE(m.ended(0, 1, outcome::unsent, false, 0, 0));
  }
}

TEST(Run, AServersWaitHoldsTheItemAndPausesTheLimiterUpToItsMaximum) {
  limiter l(1000, 1000, 1);
  rules r = sized(2);
  r.attempts = 2;
  r.limit = &l;
  r.max_server_wait = 50;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_FALSE(m.ended(0, 1, outcome::error, true, 86'400, 10));
  expect_wait(m.next(10, 1), 60);
  expect_start(m.next(60, 1), 0, 1, 2);
  expect_wait(m.next(60, 1), 61);
  expect_start(m.next(61, 1), 1, 1);
}

// ---- limiter

TEST(Run, EachStartTakesATokenAndTheWaitEndsWithTheNext) {
  limiter l(1, 10, 2);
  rules r = sized(5);
  r.limit = &l;
  run m(r);
  expect_start(m.next(0, 5), 0, 2);
  expect_wait(m.next(0, 3), 10);
  expect_wait(m.next(3, 0), never);  // without room a token is no reason to wake
  expect_start(m.next(10, 3), 2, 1);
}

TEST(Run, ASharedLimiterIsOneForAllRuns) {
  limiter l(1, 10, 1);
  rules r = sized(2);
  r.limit = &l;
  run a(r);
  run b(r);
  expect_start(a.next(0, 1), 0, 1);
  expect_wait(b.next(0, 1), 10);
  EXPECT_TRUE(a.ended(0, 1, outcome::error, false, 100, 5));
  expect_wait(b.next(10, 1), 105);
}

TEST(Run, WhatWaitsForAHandDrawsItsOwnTokenAndIsNoMoreThanWillFindOne) {
  limiter l(1, 10, 2);
  rules r = sized(9);
  r.limit = &l;
  r.draw_ahead = 25;
  r.draw_patience = 3;
  r.attempts = 2;
  run m(r);
  const action paid = m.next(0, 1, {8, 0});
  expect_start(paid, 0, 1);
  EXPECT_FALSE(paid.draws);
  const action drawing = m.next(0, 0, {8, 0});
  expect_start(drawing, 1, 3);  // one is there, two come within 25
  EXPECT_TRUE(drawing.draws);
  expect_wait(m.next(0, 0, {5, 3}), never);
  expect_start(m.next(0, 0, {5, 2}), 4, 1);  // one has begun
  EXPECT_EQ(l.take_up_to(0, 2), 1U);
  for (const index i : {2, 3, 4}) EXPECT_FALSE(m.ended(i, 1, outcome::unsent, false, 0, 0));
  expect_wait(m.next(0, 0, {8, 0}), never);  // no hand is free: its end will come
  expect_wait(m.next(0, 1, {8, 0}), 10);
  expect_wait(m.next(6, 0, {8, 0}), never);
  expect_start(m.next(7, 0, {8, 0}), 2, 1);  // a hand waits for what is so near
  EXPECT_FALSE(m.ended(2, 1, outcome::unsent, false, 0, 8));
  const action again = m.next(10, 0, {8, 0});
  expect_start(again, 3, 1);
  EXPECT_TRUE(again.draws);
}

/// Somebody else takes the last token between any two looks at it.
class contested final : public tokens {
 public:
  explicit contested(limiter& l) : l_(l) {}
  index take_up_to(nanos now, index n) override {
    (void)l_.take_up_to(now, l_.available(now));
    return l_.take_up_to(now, n);
  }
  [[nodiscard]] index expected(nanos now, nanos ahead) const override { return l_.expected(now, ahead); }
  [[nodiscard]] nanos ready_at(nanos now) const override { return l_.ready_at(now); }
  void pause_until(nanos t) override { l_.pause_until(t); }

 private:
  limiter& l_;
};

TEST(Run, StartsOnlyWhatItWasGivenTokensFor) {
  limiter l(1, 10, 3);
  contested c(l);
  rules r = sized(2);
  r.limit = &c;
  run m(r);
  expect_wait(m.next(0, 2), 10);
}

// ---- halts

TEST(Run, AStopRecallsSoftlyOnceAndTheDeadlineHard) {
  rules r = sized(9);
  r.deadline = 100;
  run m(r);
  expect_start(m.next(0, 2), 0, 2);
  m.stop();
  m.stop();
  const action soft = m.next(1, 2);
  EXPECT_EQ(soft.what, action::recall);
  EXPECT_FALSE(soft.hard);
  expect_wait(m.next(1, 2), 100);
  EXPECT_TRUE(m.ended(1, 1, outcome::unsent, false, 0, 1));
  const action hard = m.next(100, 2);
  EXPECT_EQ(hard.what, action::recall);
  EXPECT_TRUE(hard.hard);
  expect_wait(m.next(100, 2), never);
  EXPECT_TRUE(m.ended(0, 1, outcome::cancelled, false, 0, 100));
  expect_finish(m.next(101, 2), status::stopped);
  EXPECT_EQ(m.cancelled(), 2U);
  EXPECT_EQ(m.not_started(), 7U);
}

TEST(Run, AHardStopRecallsHardAtOnce) {
  run m(sized(2));
  expect_start(m.next(0, 1), 0, 1);
  m.stop(true);
  EXPECT_TRUE(m.next(0, 1).hard);
}

TEST(Run, NothingStartsAtTheDeadline) {
  rules r = sized(2);
  r.deadline = 10;
  run m(r);
  expect_start(m.next(9, 1), 0, 1);
  m.succeeded(0, 1);
  expect_finish(m.next(10, 1), status::timed_out);
}

TEST(Run, ASlowConsumerDoesNotMakeACompletedRunLate) {
  rules r = stream_of(1, true);
  r.deadline = 10;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  m.succeeded(0, 1);
  expect_emit(m.next(11, 1), 0, 1);
  expect_wait(m.next(11, 1), never);
  m.stop();
  m.consumed(1);
  expect_finish(m.next(12, 1), status::completed);
}

TEST(Run, AHaltedStreamThatIsStillReadDoesNotPoll) {
  rules r = stream_of(5, true);
  r.deadline = 10;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  m.stop();
  m.succeeded(0, 1);
  expect_emit(m.next(1, 1), 0, 1);
  expect_wait(m.next(1, 1), never);
  expect_wait(m.next(11, 1), never);
  m.consumed(1);
  expect_finish(m.next(11, 1), status::stopped);
}

TEST(Run, TheErrorAboveTheMaximumAborts) {
  rules r = sized(5);
  r.max_errors = 1;
  run m(r);
  expect_start(m.next(0, 2), 0, 2);
  EXPECT_TRUE(m.ended(0, 1, outcome::error, false, 0, 0));
  expect_start(m.next(0, 1), 2, 1);
  EXPECT_TRUE(m.ended(1, 1, outcome::error, false, 0, 0));
  EXPECT_EQ(m.next(0, 1).what, action::recall);
  m.succeeded(2, 1);
  expect_finish(m.next(0, 1), status::aborted);
  EXPECT_EQ(m.not_started(), 2U);
}

TEST(Run, TheLastItemsErrorAbortsToo) {
  rules r = sized(1);
  r.max_errors = 0;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_TRUE(m.ended(0, 1, outcome::error, false, 0, 0));
  expect_finish(m.next(0, 1), status::aborted);
}

TEST(Run, WhatWaitsAtAHaltIsGivenUpWithItsLastErrorOrAsCancelled) {
  rules r = sized(9);
  r.attempts = 3;
  r.backoff = 100;
  run m(r);
  expect_start(m.next(0, 2), 0, 2);
  EXPECT_FALSE(m.ended(0, 1, outcome::error, true, 0, 0));
  EXPECT_FALSE(m.ended(1, 1, outcome::unsent, false, 0, 0));
  m.stop();
  const action fresh = m.next(0, 0);
  EXPECT_EQ(fresh.what, action::give_up);
  EXPECT_EQ(fresh.first, 1U);
  EXPECT_EQ(fresh.attempt, 1U);
  const action tried = m.next(0, 0);
  EXPECT_EQ(tried.what, action::give_up);
  EXPECT_EQ(tried.first, 0U);
  EXPECT_EQ(tried.attempt, 2U);
  expect_finish(m.next(0, 0), status::stopped);
  EXPECT_EQ(m.failed(), 1U);
  EXPECT_EQ(m.cancelled(), 1U);
}

TEST(Run, WhatIsTakenBackBeforeItsSecondTryHasFailedWithItsFirst) {
  rules r = sized(1);
  r.attempts = 2;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_FALSE(m.ended(0, 1, outcome::error, true, 0, 0));
  expect_start(m.next(0, 1), 0, 1, 2);
  m.stop();
  EXPECT_EQ(m.next(0, 1).what, action::recall);
  EXPECT_TRUE(m.ended(0, 2, outcome::unsent, false, 0, 0));
  EXPECT_EQ(m.failed(), 1U);
  EXPECT_EQ(m.cancelled(), 0U);
}

// ---- checkpoints

TEST(Run, WhatTheCheckpointKnowsTakesNoRoomAndIsLeftOut) {
  run m(sized(10));
  m.recorded(0, 2);
  m.recorded(4, 3);
  EXPECT_EQ(m.settled(), 5U);
  EXPECT_EQ(m.not_started(), 5U);
  expect_start(m.next(0, 9), 2, 2);
  expect_start(m.next(0, 9), 7, 3);
  m.succeeded(2, 2);
  m.succeeded(7, 3);
  expect_finish(m.next(0, 9), status::completed);
}

TEST(Run, AMapThatIsStoppedKeepsWhatTheCheckpointKnows) {
  run m(sized(10));
  m.recorded(6, 3);
  m.stop();
  expect_finish(m.next(0, 9), status::stopped);
  EXPECT_EQ(m.settled(), 3U);
  EXPECT_EQ(m.not_started(), 7U);
}

TEST(Run, AStreamEmitsWhatTheCheckpointKnowsAsTheWindowReachesIt) {
  rules r = stream_of(6, true);
  r.window = 2;
  run m(r);
  m.recorded(1, 4);
  expect_start(m.next(0, 9), 0, 1);
  expect_wait(m.next(0, 9), never);
  m.succeeded(0, 1);
  expect_emit(m.next(0, 9), 0, 2);
  m.consumed(2);
  expect_emit(m.next(0, 9), 2, 2);
  expect_wait(m.next(0, 9), never);
  m.consumed(2);
  expect_emit(m.next(0, 9), 4, 1);
  expect_start(m.next(0, 9), 5, 1);
}

}  // namespace
}  // namespace centimane::policy
