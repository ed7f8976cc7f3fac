// The ledger of a run, fed by hand: sums, replaced workers, times that cannot be true.
#include "run/insights.hpp"

#include <gtest/gtest.h>

#include "leak_check.hpp"

namespace centimane::engine {
namespace {

using std::chrono::nanoseconds;

happening ended(index item, int worker, phase_times times, bool final = true, std::uint32_t attempt = 1) {
  happening h{happening::attempt_ended};
  h.item = item;
  h.worker = worker;
  h.attempt = attempt;
  h.final = final;
  h.times = times;
  return h;
}

happening about(happening::kind what, int worker, std::int64_t pid, nanos at, nanos from = 0) {
  happening h{what};
  h.worker = worker;
  h.pid = pid;
  h.at = at;
  h.from = from;
  return h;
}

TEST(ledger, counts_ranges_without_times) {
  ledger l(1000, false);
  l.settled(0, 500);
  l.settled(2, 300);
  l.settled(-1, 7);  // given up: at no worker
  l.again(2);
  l.ended(5000);
  const insights seen = l.look(9000, 807, 7);
  EXPECT_FALSE(seen.detailed);
  EXPECT_EQ(seen.elapsed, nanoseconds(4000)) << "as it was at its end";
  EXPECT_EQ(seen.items, 807u);
  EXPECT_EQ(seen.failed, 7u);
  EXPECT_EQ(seen.attempts, 801u);
  ASSERT_EQ(seen.workers.size(), 2u) << "worker 1 had nothing to do";
  EXPECT_EQ(seen.workers[0].items, 500u);
  EXPECT_EQ(seen.workers[1].worker, 2);
  EXPECT_EQ(seen.workers[1].items, 300u);
  EXPECT_EQ(seen.workers[1].attempts, 301u);
  EXPECT_TRUE(seen.slowest.empty());
}

TEST(ledger, sums_phases) {
  ledger l(1000, true);
  l.tell(about(happening::worker_started, 0, 77, 1500, 1100));
  l.tell(ended(0, 0, {2000, 2010, 2900, 2930}));
  l.tell(ended(1, 0, {3000, 3001, 3101, 3103}, false));
  l.tell(ended(1, 0, {3200, 3201, 3301, 3303}, true, 2));
  const insights seen = l.look(4000, 2, 0);
  ASSERT_EQ(seen.workers.size(), 1u);
  const worker_insights& w = seen.workers[0];
  EXPECT_EQ(w.pid, 77);
  EXPECT_EQ(w.processes, 1u);
  EXPECT_EQ(w.items, 2u);
  EXPECT_EQ(w.attempts, 3u);
  EXPECT_EQ(w.busy, nanoseconds(930 + 103 + 103));
  EXPECT_EQ(w.running, nanoseconds(890 + 100 + 100));
  EXPECT_EQ(w.serialisation, w.busy - w.running);
  EXPECT_EQ(w.start_up, nanoseconds(400));
  EXPECT_EQ(w.idle, nanoseconds(4000 - 1500) - w.busy);
}

TEST(ledger, a_successor_counts_as_the_same_worker) {
  ledger l(1000, true);
  l.tell(about(happening::worker_started, 0, 77, 900));  // there before the run: counts from its begin
  l.tell(ended(0, 0, {1000, 1000, 1400, 1400}));
  l.tell(about(happening::worker_died, 0, 77, 2000));
  l.tell(about(happening::worker_started, 0, 78, 2600, 2100));
  l.tell(ended(1, 0, {2600, 2600, 3000, 3000}));
  const insights seen = l.look(3600, 2, 1);
  ASSERT_EQ(seen.workers.size(), 1u);
  EXPECT_EQ(seen.workers[0].pid, 78);
  EXPECT_EQ(seen.workers[0].processes, 2u);
  EXPECT_EQ(seen.workers[0].start_up, nanoseconds(500)) << "of the one that the run started";
  EXPECT_EQ(seen.workers[0].idle, nanoseconds((2000 - 1000) + (3600 - 2600) - 800));
}

TEST(ledger, keeps_the_ten_slowest) {
  ledger l(0, true);
  for (index i = 0; i < 1000; ++i) l.tell(ended(i, 0, {1, 1, 2 + static_cast<nanos>((i * 7919) % 1000), 2000}));
  const insights seen = l.look(5000, 1000, 0);
  ASSERT_EQ(seen.slowest.size(), 10u);
  for (std::size_t k = 0; k < 10; ++k) EXPECT_EQ(seen.slowest[k].time, nanoseconds(1000 - static_cast<nanos>(k)));
}

TEST(ledger, believes_no_time_that_cannot_be) {
  const phase_times wild = sane({-5, 1'000'000, 300, 0}, 100, 500);
  EXPECT_EQ(wild.opened, 100);
  EXPECT_EQ(wild.running, 500);
  EXPECT_EQ(wild.ran, 500);
  EXPECT_EQ(wild.written, 500);
  const phase_times silent = sane({200, 0, 0, 400}, 100, 500);  // it never came to run
  EXPECT_EQ(silent.running, 400);
  EXPECT_EQ(silent.ran, 400);
}

TEST(ledger, idle_is_never_less_than_nothing) {
  ledger l(1000, true);
  l.tell(ended(0, 0, {1000, 1000, 9000, 9000}));
  EXPECT_EQ(l.look(2000, 1, 0).workers[0].idle, nanoseconds(0));
}

TEST(ledger, is_written_as_a_table) {
  ledger l(0, true);
  l.tell(about(happening::worker_started, 3, 4711, 10, 5));
  l.tell(ended(12, 3, {100, 100, 2'500'000'100, 2'500'000'100}));
  const std::string text = l.look(3'000'000'000, 1, 0).text();
  EXPECT_NE(text.find("1 item in 3.00 s, 0 failed, 1 attempts"), std::string::npos) << text;
  EXPECT_NE(text.find("4711"), std::string::npos) << text;
  EXPECT_NE(text.find("item 12: 2.50 s on worker 3"), std::string::npos) << text;
  const std::string short_text = ledger(0, false).look(5, 0, 0).text();
  EXPECT_NE(short_text.find(".insights = true"), std::string::npos) << short_text;
}

}  // namespace
}  // namespace centimane::engine

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
