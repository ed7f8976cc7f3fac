// policy::run without policies: maps, sources, bytes, streams. What behaviours do to each other is for
// tests/simulation.
#include "cpp/policy/run_expect.hpp"

namespace centimane::policy {
namespace {

// ---- maps

TEST(Run, NothingIsCompletedAtOnce) {
  run m(sized(0));
  expect_finish(m.next(0, 4), status::completed);
}

TEST(Run, AMapIsOneRangeAsLongAsRoomAndWindowAllow) {
  rules r = sized(10'000'000);
  r.window = UINT64_MAX;
  run m(r);
  expect_start(m.next(0, UINT64_MAX), 0, 10'000'000);
  expect_wait(m.next(0, UINT64_MAX), never);
  m.succeeded(0, 10'000'000);
  expect_finish(m.next(0, UINT64_MAX), status::completed);
  EXPECT_EQ(m.settled(), 10'000'000U);
}

TEST(Run, TheWindowOfAMapIsWhatHasNotSettled) {
  rules r = sized(10);
  r.window = 3;
  run m(r);
  expect_start(m.next(0, 2), 0, 2);
  expect_start(m.next(0, 9), 2, 1);
  expect_wait(m.next(0, 9), never);
  EXPECT_EQ(m.open(), 3U);
  EXPECT_FALSE(m.wants_start(0));
  m.succeeded(1, 1);
  EXPECT_TRUE(m.wants_start(0));
  expect_start(m.next(0, 9), 3, 1);
}

TEST(Run, AWindowOfNoneIsAWindowOfOne) {
  rules r = sized(2);
  r.window = 0;
  run m(r);
  expect_start(m.next(0, 9), 0, 1);
}

// ---- sources

TEST(Run, AnEmptySourceIsAskedOnce) {
  run m(rules{});
  EXPECT_EQ(m.next(0, 4).what, action::pull);
  expect_wait(m.next(0, 4), never);
  m.arrived(0);
  EXPECT_EQ(m.next(0, 4).what, action::pull);
  m.source_ended(false);
  expect_finish(m.next(0, 4), status::completed);
}

TEST(Run, ASlowSourceKeepsNothingElseWaiting) {
  rules r;
  r.window = 4;
  run m(r);
  EXPECT_EQ(m.next(0, 1).count, 4U);
  m.arrived(2);
  expect_start(m.next(0, 1), 0, 1);
  EXPECT_EQ(m.next(0, 0).what, action::pull);
  m.succeeded(0, 1);
  expect_start(m.next(0, 1), 1, 1);  // the pull is still out
  expect_wait(m.next(0, 0), never);
}

TEST(Run, AStockIsFilledUpInQuartersOfTheWindow) {
  rules r;
  r.window = 8;
  run m(r);
  EXPECT_EQ(m.next(0, 0).count, 8U);
  m.arrived(8);
  expect_start(m.next(0, 1), 0, 1);
  m.succeeded(0, 1);
  expect_start(m.next(0, 1), 1, 1);
  expect_wait(m.next(0, 0), never);  // one is missing: not worth asking
  m.succeeded(1, 1);
  const action a = m.next(0, 0);
  EXPECT_EQ(a.what, action::pull);
  EXPECT_EQ(a.count, 2U);
}

TEST(Run, ASourceThatRaisesEndsTheRunAndLeavesTheRestNotStarted) {
  run m(rules{});
  EXPECT_EQ(m.next(0, 1).what, action::pull);
  m.arrived(3);
  m.source_ended(true);
  expect_finish(m.next(0, 1), status::source_failed);
  EXPECT_EQ(m.not_started(), 3U);
}

TEST(Run, AnAnswerAfterFinishChangesNothing) {
  run m(rules{});
  EXPECT_EQ(m.next(0, 1).what, action::pull);
  m.stop();
  expect_finish(m.next(0, 1), status::stopped);
  m.arrived(5, 100);
  m.source_ended(true);
  expect_finish(m.next(0, 1), status::stopped);
  EXPECT_EQ(m.known(), 0U);
  EXPECT_EQ(m.bytes(), 0U);
}

// ---- bytes

TEST(Run, TheFirstItemIsTheSampleAndThenTheAverageDecides) {
  rules r;
  r.window_bytes = 1000;
  run m(r);
  EXPECT_EQ(m.next(0, 9).count, 1U);
  m.arrived(1, 100);
  expect_start(m.next(0, 9), 0, 1);
  EXPECT_EQ(m.next(0, 9).count, 9U);
}

TEST(Run, OneItemAloneMayExceedTheBytes) {
  rules r;
  r.window_bytes = 10;
  run m(r);
  EXPECT_EQ(m.next(0, 9).count, 1U);
  m.arrived(3, 300);  // a source may bring what it likes
  expect_start(m.next(0, 9), 0, 1);
  expect_wait(m.next(0, 9), never);
  m.succeeded(0, 1);
  EXPECT_EQ(m.bytes(), 200U);
  expect_start(m.next(0, 9), 1, 1);
  m.succeeded(1, 1);
  expect_start(m.next(0, 9), 2, 1);
  m.succeeded(2, 1);
  EXPECT_EQ(m.bytes(), 0U);
}

TEST(Run, AMapsUnevenItemsLeaveNothingBehind) {
  rules r;
  r.window_bytes = 1'000'000;
  run m(r);
  EXPECT_EQ(m.next(0, 9).what, action::pull);
  m.arrived(7, 1003);
  expect_start(m.next(0, 9), 0, 7);
  m.succeeded(0, 3);
  EXPECT_LT(m.bytes(), 1003U);
  m.succeeded(3, 4);
  EXPECT_EQ(m.bytes(), 0U);
}

TEST(Run, AStreamsOutcomesCountUntilTheyAreRead) {
  rules r = stream_of(5, true);
  r.window_bytes = 100;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  m.succeeded(0, 1, 150);
  expect_emit(m.next(0, 1), 0, 1);
  expect_wait(m.next(0, 1), never);
  m.consumed(1, 150);
  expect_start(m.next(0, 1), 1, 1);
}

TEST(Run, FewAreUnderWayBeforeAnOutcomeIsWeighed) {
  rules r = stream_of(100, true);
  r.window_bytes = 1000;
  run m(r);
  expect_start(m.next(0, 50), 0, 8);
  expect_wait(m.next(0, 50), never);
  m.succeeded(0, 1, 100);  // 900 are left, 7 are under way: 2 more will fit
  expect_emit(m.next(0, 50), 0, 1);
  expect_start(m.next(0, 50), 8, 2);
  expect_wait(m.next(0, 50), never);
  m.consumed(1, 100);
  expect_start(m.next(0, 50), 10, 1);
}

TEST(Run, AnOutcomeLargerThanTheBytesGoesAlone) {
  rules r = stream_of(3, false);
  r.window_bytes = 100;
  run m(r);
  expect_start(m.next(0, 1), 0, 1);
  m.succeeded(0, 1, 500);
  expect_emit(m.next(0, 9), 0, 1);
  expect_wait(m.next(0, 9), never);
  m.consumed(1, 500);
  expect_start(m.next(0, 9), 1, 1);
  expect_wait(m.next(0, 9), never);
}

TEST(Run, AMapsOutcomesStayAnyway) {
  rules r;
  r.total = 100;
  r.window_bytes = 10;
  run m(r);
  expect_start(m.next(0, 100), 0, 100);
}

TEST(Run, RecordedValuesOfAStreamCount) {
  rules r = stream_of(4, true);
  r.window_bytes = 100;
  run m(r);
  m.recorded(0, 1, 200);
  expect_emit(m.next(0, 9), 0, 1);
  expect_wait(m.next(0, 9), never);
  m.consumed(1, 200);
  expect_start(m.next(0, 9), 1, 3);
}

// ---- streams

TEST(Run, AnOrderedStreamHoldsBackAndItsWindowIsWhatIsNotRead) {
  rules r = stream_of(10, true);
  r.window = 3;
  run m(r);
  expect_start(m.next(0, 9), 0, 3);
  m.succeeded(1, 2);
  expect_wait(m.next(0, 9), never);
  m.succeeded(0, 1);
  expect_emit(m.next(0, 9), 0, 3);
  expect_wait(m.next(0, 9), never);
  m.consumed(2);
  expect_start(m.next(0, 9), 3, 2);
}

TEST(Run, AnUnorderedStreamIsFirstInFirstOut) {
  run m(stream_of(4, false));
  expect_start(m.next(0, 4), 0, 4);
  m.succeeded(3, 1);
  m.succeeded(0, 2);
  EXPECT_FALSE(m.ended(2, 1, outcome::unsent, false, 0, 0));
  expect_emit(m.next(0, 4), 3, 1);
  expect_emit(m.next(0, 4), 0, 2);
  expect_start(m.next(0, 4), 2, 1);
}

TEST(Run, AStreamEndsWhenItIsRead) {
  run m(stream_of(1, true));
  expect_start(m.next(0, 1), 0, 1);
  m.succeeded(0, 1);
  expect_emit(m.next(0, 1), 0, 1);
  expect_wait(m.next(0, 1), never);
  m.consumed(1);
  expect_finish(m.next(0, 1), status::completed);
}

TEST(Run, AHugeWindowOfAnOrderedStreamTakesNoMemoryBeforehand) {
  rules r = stream_of(UINT64_MAX, true);
  r.window = UINT64_MAX;
  run m(r);
  expect_start(m.next(0, 2), 0, 2);
  m.succeeded(1, 1);
  m.succeeded(0, 1);
  expect_emit(m.next(0, 0), 0, 2);
}

}  // namespace
}  // namespace centimane::policy
