// The trace's text: JSON at any length, a track for each worker, each process told apart.
#include "run/trace.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "leak_check.hpp"

namespace centimane::engine {
namespace {

using nlohmann::json;

happening about(happening::kind what, int worker, std::int64_t pid, nanos at, nanos from = 0) {
  happening h{what};
  h.worker = worker;
  h.pid = pid;
  h.at = at;
  h.from = from;
  return h;
}

happening ended(index item, int worker, phase_times times, policy::outcome how = policy::outcome::value) {
  happening h{happening::attempt_ended};
  h.item = item;
  h.worker = worker;
  h.attempt = 1;
  h.at = 99'000;
  h.how = how;
  h.times = times;
  return h;
}

struct trace : testing::Test {
  std::string text;
  trace_writer out{1000, [this](std::string_view more) { text += more; }};

  std::vector<json> events() {
    out.end();
    return json::parse(text).at("traceEvents").get<std::vector<json>>();
  }
  static std::vector<json> named(const std::vector<json>& all, const std::string& name) {
    std::vector<json> some;
    for (const json& e : all) {
      if (e.at("name") == name) some.push_back(e);
    }
    return some;
  }
};

TEST_F(trace, of_nothing_is_whole) {
  for (const json& e : events()) EXPECT_EQ(e.at("ph"), "M");
  EXPECT_EQ(json::parse(text).at("displayTimeUnit"), "ms");
}

TEST_F(trace, has_an_attempt_as_a_slice_with_its_phases) {
  out.tell(about(happening::worker_started, 0, 77, 9'000, 1'500));
  out.tell(ended(5, 0, {10'000, 12'001, 20'000, 20'500}));
  out.tell(ended(6, 0, {30'000, 30'100, 40'000, 40'100}));  // nothing to be seen beside the function
  const auto all = events();
  const json item = named(all, "item 5").at(0);
  EXPECT_EQ(item.at("ph"), "X");
  EXPECT_EQ(item.at("pid"), 77);
  EXPECT_EQ(item.at("ts"), 10.0);
  EXPECT_EQ(item.at("dur"), 10.5);
  EXPECT_EQ(item.at("args").at("index"), 5);
  EXPECT_EQ(item.at("args").at("outcome"), "value");
  ASSERT_EQ(named(all, "decode").size(), 1u);
  EXPECT_EQ(named(all, "decode")[0].at("dur"), 2.001);
  EXPECT_EQ(named(all, "encode")[0].at("ts"), 20.0);
  EXPECT_EQ(named(all, "start").at(0).at("dur"), 7.5);
}

TEST_F(trace, gives_each_process_and_each_thread_a_track_of_its_own) {
  out.tell(about(happening::worker_started, 1, 77, 1'000, 500));
  out.tell(ended(0, 1, {2'000, 2'000, 3'000, 3'000}));
  out.tell(about(happening::worker_started, 1, 78, 9'000, 8'000));
  out.tell(ended(2, 1, {9'100, 9'100, 9'200, 9'200}));
  out.tell(ended(1, 1, {4'000, 4'000, 5'000, 5'000}));  // its answer was read late: it is the other process's
  out.tell(ended(3, 0, {1, 1, 2, 2}));                  // a thread
  const auto all = events();
  EXPECT_EQ(named(all, "item 0")[0].at("pid"), 77);
  EXPECT_EQ(named(all, "item 1")[0].at("pid"), 77);
  EXPECT_EQ(named(all, "item 2")[0].at("pid"), 78);
  EXPECT_EQ(named(all, "item 3")[0].at("pid"), 1000) << "threads are the driver's";
  EXPECT_NE(named(all, "item 3")[0].at("tid"), 1000);
  std::map<std::pair<int, int>, std::string> names;
  for (const json& e : named(all, "thread_name")) names[{e.at("pid"), e.at("tid")}] = e.at("args").at("name");
  for (const json& e : all) EXPECT_TRUE(names.contains({e.at("pid"), e.at("tid")})) << e;
  EXPECT_EQ((names[{1000, 1000}]), "driver");
  EXPECT_EQ((names[{78, 78}]), "worker 1");
  EXPECT_EQ((names[{1000, 1001}]), "worker 0");
}

TEST_F(trace, marks_what_has_no_length) {
  out.tell(about(happening::run_begun, -1, 0, 1));
  happening retry = ended(4, -1, {});
  retry.what = happening::retry_scheduled;
  retry.until = 100'000;
  out.tell(retry);
  happening died = about(happening::worker_died, 2, 79, 5);
  died.signal = 9;
  out.tell(died);
  out.tell(about(happening::worker_recycled, 2, 80, 6));
  happening late = ended(4, 2, {});
  late.what = happening::task_timed_out;
  late.until = 7;
  out.tell(late);
  happening back = about(happening::taken_back, 2, 80, 8);
  back.item = 10;
  back.count = 3;
  out.tell(back);
  happening pause = about(happening::limiter_paused, -1, 0, 10);
  pause.until = policy::never;
  out.tell(pause);
  out.tell(ended(4, -1, {}, policy::outcome::died));
  happening end = about(happening::run_ended, -1, 0, 20);
  end.end = policy::status::aborted;
  out.tell(end);
  out.driver("collect", 100, 200, 3);
  const auto all = events();
  EXPECT_EQ(named(all, "retry item 4").at(0).at("args").at("in_ns"), 1'000);
  EXPECT_EQ(named(all, "died").at(0).at("args").at("signal"), 9);
  EXPECT_EQ(named(all, "left").size(), 1u);
  EXPECT_EQ(named(all, "time out of item 4").size(), 1u);
  EXPECT_EQ(named(all, "taken back: items 10-12").at(0).at("args").at("count"), 3);
  EXPECT_EQ(named(all, "item 4").at(0).at("ph"), "i");
  EXPECT_EQ(named(all, "run ended").at(0).at("args").at("status"), "aborted");
  EXPECT_EQ(named(all, "collect").at(0).at("args").at("items"), 3);
}

}  // namespace
}  // namespace centimane::engine

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
