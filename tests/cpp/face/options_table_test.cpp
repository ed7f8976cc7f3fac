// Every member of the options has a row here: its default, its effect, and what a bad value gets. The last test reads
// the header and fails for a member without a row.
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

const std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
int same(int n) { return n; }

/// A generator of items that counts how many were read.
class source {
 public:
  source(int n, std::size_t* read) : n_(n), read_(read) {}
  class iterator {
   public:
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    explicit iterator(source* from) : from_(from) {}
    std::string operator*() const {
      ++*from_->read_;
      return std::string(1000, 'x');
    }
    iterator& operator++() {
      ++from_->at_;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.from_->done(); }

   private:
    source* from_;
  };
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  [[nodiscard]] bool done() const { return at_ == n_; }

 private:
  int n_, at_ = 0;
  std::size_t* read_;
};

/// How far a stream of 60 items of a thousand bytes is read ahead of what was consumed.
std::size_t read_ahead(const cm::options& how) {
  std::size_t read = 0, consumed = 0, most = 0;
  for (auto& r : cm::parallel_iter([](const std::string& s) { return s.size(); }, source(60, &read), how)) {
    most = std::max(most, read - consumed);
    consumed += *r.value / 1000;
  }
  EXPECT_EQ(consumed, 60U);
  return most;
}

std::size_t different(std::vector<pid_t> pids) { return std::set<pid_t>(pids.begin(), pids.end()).size(); }
std::vector<pid_t> worker_ids(const cm::options& how) {
  auto r = cm::parallel_map([](int) { return getpid(); }, items, how);
  return {r.begin(), r.end()};
}

/// How often a task is tried that always fails.
unsigned tries(
    cm::retry again, const std::function<void()>& fail = [] { throw std::runtime_error("again"); }) {
  unsigned made = 0;
  const cm::options how{.executor = cm::sequential, .retry = std::move(again)};
  (void)cm::parallel_map(
      [&](int) {
        ++made;
        fail();
      },
      std::vector<int>{1}, how);
  return made;
}

/// The first wait before a retry: the run is told of it, and stopped rather than waited for.
struct bracket {
  std::chrono::duration<double> least{}, most{};
  [[nodiscard]] bool has(std::chrono::duration<double> wait) const { return least <= wait && wait <= most; }
};
bracket first_wait(cm::retry again) {
  bracket wait;
  std::stop_source stop;
  std::chrono::steady_clock::time_point failed;
  const cm::options how{.executor = cm::sequential,
                        .retry = std::move(again),
                        .stop = stop.get_token(),
                        .on_event = [&](const cm::event& e) {
                          if (const auto* told = std::get_if<cm::events::retry_scheduled>(&e)) {
                            // The engine's clock was read between the failure and the report.
                            wait = {told->not_before - told->at, told->not_before - failed};
                            stop.request_stop();
                          }
                        }};
  (void)cm::parallel_map(
      [&](int) {
        failed = std::chrono::steady_clock::now();
        throw std::runtime_error("later");
      },
      std::vector<int>{1}, how);
  return wait;
}

/// How many attempts start before the run would have to wait for an hour.
int starts(cm::rate_limit limit, int stop_at) {
  int begun = 0;
  std::stop_source stop;
  (void)cm::parallel_map(
      [&](int) {
        if (++begun == stop_at) stop.request_stop();
      },
      items, {.executor = cm::sequential, .rate_limit = limit, .stop = stop.get_token()});
  return begun;
}

template <class F>
void refuses(F&& give) {
  EXPECT_THROW(give(), std::invalid_argument);
}
template <class How>
void refused_at_the_call(const How& how) {
  refuses([&] { (void)cm::parallel_map(same, items, how); });
  refuses([&] {
    auto stream = cm::parallel_iter(same, items, how);
    (void)stream.begin();
  });
}
constexpr auto not_a_number = std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN());

/// A value that the type refuses when the program is compiled.
template <class Member, class Bad>
void does_not_compile() {
  static_assert(!std::is_convertible_v<Bad, Member>);
}

struct row {
  const char* of;
  const char* member;
  std::function<bool()> by_default;
  std::function<void()> effect;
  std::function<void()> bad;
};

const cm::options none;
const cm::retry once_more;

std::vector<row> run_rows() {
  return {
      {"map_options", "executor",
       [] { return none.executor.which() == cm::executor::kind::thread && none.executor.pool() == nullptr; },
       [] {
         EXPECT_EQ(std::ranges::count(worker_ids({.executor = cm::process, .workers = 1}), getpid()), 0);
         EXPECT_EQ(std::ranges::count(worker_ids({.executor = cm::sequential}), getpid()), 8);
       },
       [] { does_not_compile<cm::executor, int>(); }},
      {"map_options", "workers", [] { return none.workers == 0U; },
       [] {
         std::latch all(3);  // ends only if three are at work at once
         EXPECT_TRUE(cm::parallel_map([&](int) { all.arrive_and_wait(); }, std::vector<int>{1, 2, 3},
                                      {.workers = 3, .chunk_size = 1})
                         .ok());
         EXPECT_EQ(different(worker_ids({.executor = cm::process, .workers = 1})), 1U);
       },
       [] {
         refused_at_the_call(cm::options{.workers = 100'000});
         refuses([] { (void)cm::options{.workers = -1}; });
       }},
      {"map_options", "chunk_size", [] { return none.chunk_size == 0U; },
       [] {
         std::latch all(3);  // ends only if no hand has taken two of them
         EXPECT_TRUE(cm::parallel_map([&](int) { all.arrive_and_wait(); }, std::vector<int>{1, 2, 3},
                                      {.workers = 3, .chunk_size = 1})
                         .ok());
         EXPECT_TRUE(cm::parallel_map(same, items, {.workers = 3, .chunk_size = 4}).ok());
       },
       [] { refuses([] { (void)cm::options{.chunk_size = -1}; }); }},
      {"map_options", "rate_limit", [] { return !none.rate_limit; },
       [] { EXPECT_EQ(starts(cm::rate_limit(1, cm::per::hour, 2), 2), 2); },
       [] { refuses([] { (void)cm::options{.rate_limit = 0}; }); }},
      {"map_options", "retry", [] { return !none.retry; },
       [] {
         EXPECT_EQ(tries({.attempts = 4, .jitter = false}), 4U);
         int made = 0;
         EXPECT_FALSE(cm::parallel_map(
                          [&](int) {
                            ++made;
                            throw std::runtime_error("once");
                          },
                          std::vector<int>{1}, {.executor = cm::sequential})
                          .ok());
         EXPECT_EQ(made, 1);
       },
       [] { refused_at_the_call(cm::options{.retry = cm::retry{.attempts = 0}}); }},
      {"map_options", "task_timeout", [] { return !none.task_timeout; },
       [] {
         const auto r = cm::parallel_map([](int) { std::this_thread::sleep_for(10min); }, std::vector<int>{1},
                                         {.executor = cm::process, .workers = 1, .task_timeout = 50ms});
         ASSERT_EQ(r.failures().size(), 1U);
         EXPECT_NE(r.failures()[0].error.as<cm::task_timeout>(), nullptr);
         for (const std::size_t workers : {1U, 2U}) {  // on threads it is asked to end
           const auto asked = cm::parallel_map(
               [](int) {
                 while (!cm::this_task::stop_requested()) std::this_thread::yield();
                 return 1;
               },
               std::vector<int>{1}, {.workers = workers, .task_timeout = 1ms});
           ASSERT_EQ(asked.failures().size(), 1U);
           EXPECT_NE(asked.failures()[0].error.as<cm::task_timeout>(), nullptr);
         }
       },
       [] {
         refused_at_the_call(cm::options{.task_timeout = 0s});
         refused_at_the_call(cm::options{.executor = cm::process, .task_timeout = 0s});
         refuses([] { (void)cm::options{.task_timeout = -1s}; });
         refuses([] { (void)cm::options{.task_timeout = not_a_number}; });
       }},
      {"map_options", "timeout", [] { return !none.timeout; },
       [] {
         int ran = 0;
         const auto r = cm::parallel_map([&](int) { ++ran; }, items, {.executor = cm::sequential, .timeout = 0s});
         EXPECT_EQ(r.status(), cm::run_status::timed_out);
         EXPECT_EQ(ran, 0);
       },
       [] {
         refuses([] { (void)cm::options{.timeout = -1s}; });
         refuses([] { (void)cm::options{.timeout = not_a_number}; });
       }},
      {"map_options", "window_size", [] { return none.window_size == 0U; },
       [] {
         EXPECT_LE(read_ahead({.workers = 2, .window_size = 5}), 6U);
         EXPECT_GT(read_ahead({.workers = 2}), 6U);
       },
       [] { refuses([] { (void)cm::options{.window_size = -1}; }); }},
      {"map_options", "window_bytes", [] { return none.window_bytes == 0U; },
       [] { EXPECT_LE(read_ahead({.workers = 2, .window_bytes = 5000}), 7U); },
       [] { refuses([] { (void)cm::options{.window_bytes = -1}; }); }},
      {"map_options", "ordered", [] { return none.ordered; },
       [] {
         for (const bool ordered : {true, false}) {
           std::latch other(1);  // the second item's outcome, or its run, which the first one waits for
           std::vector<std::size_t> order;
           const std::function<void(const cm::progress&)> told = [&](const cm::progress& p) {
             if (!ordered && p.completed == 1) other.count_down();
           };
           for (auto& r : cm::parallel_iter(
                    [&](int n) {
                      if (n == 0) other.wait();
                      if (n == 1 && ordered) other.count_down();
                    },
                    std::vector<int>{0, 1},
                    cm::options{.workers = 2, .chunk_size = 1, .ordered = ordered, .on_progress = told})) {
             order.push_back(r.index);
           }
           EXPECT_EQ(order, ordered ? (std::vector<std::size_t>{0, 1}) : (std::vector<std::size_t>{1, 0}));
         }
       },
       [] { does_not_compile<bool, std::string>(); }},
      {"map_options", "max_errors", [] { return !none.max_errors; },
       [] {
         int ran = 0;
         const auto fails = [&](int) {
           ++ran;
           throw std::runtime_error("no");
         };
         EXPECT_EQ(cm::parallel_map(fails, items, {.executor = cm::sequential, .max_errors = 2}).status(),
                   cm::run_status::aborted);
         EXPECT_EQ(ran, 2);
         EXPECT_EQ(cm::parallel_map(fails, items, {.executor = cm::sequential}).status(), cm::run_status::completed);
         EXPECT_EQ(ran, 10);
       },
       [] {
         refused_at_the_call(cm::options{.max_errors = 0});
         refuses([] { (void)cm::options{.max_errors = -1}; });
       }},
      {"map_options", "stop", [] { return !none.stop.stop_possible(); },
       [] {
         std::stop_source stop;
         stop.request_stop();
         int ran = 0;
         EXPECT_EQ(cm::parallel_map([&](int) { ++ran; }, items, {.executor = cm::sequential, .stop = stop.get_token()})
                       .status(),
                   cm::run_status::stopped);
         EXPECT_EQ(ran, 0);
       },
       [] { does_not_compile<std::stop_token, bool>(); }},
      {"map_options", "on_progress", [] { return !none.on_progress; },
       [] {
         std::size_t done = 0;
         (void)cm::parallel_map(same, items, {.executor = cm::sequential, .on_progress = [&](const cm::progress& p) {
                                                done = p.completed;
                                              }});
         EXPECT_EQ(done, 8U);
       },
       [] { does_not_compile<decltype(none.on_progress), int>(); }},
      {"map_options", "on_result", [] { return !cm::map_options<int>().on_result; },
       [] {
         std::vector<int> told;
         (void)cm::parallel_map(same, items,
                                {.executor = cm::sequential,
                                 .on_result = [&](const cm::item_result<int>& r) { told.push_back(*r.value); }});
         EXPECT_EQ(told, items);
       },
       [] { does_not_compile<decltype(cm::map_options<int>().on_result), int>(); }},
      {"map_options", "worker_init", [] { return !none.worker_init; },
       [] {
         const auto look = [](int) { return std::string(std::getenv("CENTIMANE_READY") == nullptr ? "" : "yes"); };
         const std::vector<int> one{1};
         const auto ready = cm::parallel_map(look, one, {.executor = cm::process, .workers = 1, .worker_init = [] {
                                                           setenv("CENTIMANE_READY", "yes", 1);
                                                         }});
         EXPECT_EQ(ready.values()[0], "yes");
         EXPECT_EQ(cm::parallel_map(look, one, {.executor = cm::process, .workers = 1}).values()[0], "");
       },
       [] { refused_at_the_call(cm::options{.worker_init = [] {}}); }},
      {"map_options", "max_tasks_per_worker", [] { return none.max_tasks_per_worker == 0U; },
       [] {
         EXPECT_GE(different(worker_ids({.executor = cm::process, .workers = 1, .max_tasks_per_worker = 4})), 2U);
         EXPECT_EQ(different(worker_ids({.executor = cm::process, .workers = 1})), 1U);
       },
       [] {
         refused_at_the_call(cm::options{.max_tasks_per_worker = 1});
         refuses([] { (void)cm::options{.max_tasks_per_worker = -1}; });
       }},
      {"map_options", "checkpoint", [] { return !none.checkpoint; },
       [] {
         const fs::path file = fs::path(testing::TempDir()) / ("options." + std::to_string(getpid()) + ".ckpt");
         const cm::options kept{.executor = cm::sequential, .checkpoint = cm::checkpoint{file, "v1"}};
         const auto square = [](int n) { return n * n; };
         if (!CENTIMANE_HAS_CHECKPOINTS) {
           EXPECT_THROW((void)cm::parallel_map(square, items, kept), cm::checkpoint_error);
           return;
         }
         for (const unsigned attempts : {1U, 0U}) {  // the second run takes all from the file
           cm::map_options<int> how = kept;
           how.on_result = [&](const cm::item_result<int>& r) { EXPECT_EQ(r.attempts, attempts); };
           EXPECT_TRUE(cm::parallel_map(square, items, how).ok());
         }
         fs::remove(file);
       },
       [] {
         if (CENTIMANE_HAS_CHECKPOINTS) refused_at_the_call(cm::options{.checkpoint = cm::checkpoint{""}});
       }},
      {"map_options", "item_key", [] { return !none.item_key; },
       [] {
         const cm::options named{.executor = cm::sequential,
                                 .item_key = [](int n) { return "item " + std::to_string(n); }};
         for (auto& r : cm::parallel_iter(same, items, named)) EXPECT_EQ(r.key, "item " + std::to_string(r.index));
         for (auto& r : cm::parallel_iter(same, items, {.executor = cm::sequential})) EXPECT_EQ(r.key, "");
       },
       [] { refused_at_the_call(cm::options{.item_key = [](const std::string& s) { return s; }}); }},
      {"map_options", "insights", [] { return !none.insights; },
       [] {
         EXPECT_TRUE(cm::parallel_map(same, items, {.insights = true}).insights().detailed);
         EXPECT_FALSE(cm::parallel_map(same, items).insights().detailed);
       },
       [] { does_not_compile<bool, std::string>(); }},
      {"map_options", "trace", [] { return none.trace.empty(); },
       [] {
         const fs::path file = fs::path(testing::TempDir()) / ("options." + std::to_string(getpid()) + ".json");
         (void)cm::parallel_map(same, items, {.trace = file});
         EXPECT_TRUE(fs::remove(file));
       },
       [] {
         EXPECT_THROW((void)cm::parallel_map(same, items, {.trace = "/no/such/folder/run.json"}), std::system_error);
       }},
      {"map_options", "on_event", [] { return !none.on_event; },
       [] {
         std::vector<std::size_t> told;
         (void)cm::parallel_map(same, items, {.executor = cm::sequential, .on_event = [&](const cm::event& e) {
                                                told.push_back(e.index());
                                              }});
         ASSERT_GE(told.size(), 2U);
         EXPECT_EQ(told.front(), cm::event(cm::events::run_begun{}).index());
         EXPECT_EQ(told.back(), cm::event(cm::events::run_ended{}).index());
       },
       [] { does_not_compile<decltype(none.on_event), int>(); }},
  };
}

std::vector<row> policy_rows() {
  const auto server_asks = [](std::chrono::seconds wait) { return [wait](const cm::any_error&) { return wait; }; };
  return {
      {"rate_limit", "events", [] { return true; },  // it has none
       [] { EXPECT_EQ(cm::rate_limit(2.5).events, 2.5); },
       [] {
         refuses([] { (void)cm::rate_limit(-1); });
         refuses([] { (void)cm::rate_limit(std::nan("")); });
         refuses([] { (void)cm::rate_limit(std::numeric_limits<double>::infinity()); });
       }},
      {"rate_limit", "unit", [] { return cm::rate_limit(1).unit == cm::per::second; },
       [] { EXPECT_EQ(starts(cm::rate_limit(1, cm::per::hour), 1), 1); }, [] { does_not_compile<cm::per, int>(); }},
      {"rate_limit", "burst", [] { return cm::rate_limit(1).burst == 1U; },
       [] { EXPECT_EQ(starts(cm::rate_limit(1, cm::per::hour, 5), 5), 5); },
       [] { refuses([] { (void)cm::rate_limit(1, cm::per::second, 0); }); }},
      {"retry", "attempts", [] { return once_more.attempts == 3U; }, [] { EXPECT_EQ(tries({.attempts = 2}), 2U); },
       [] {
         refused_at_the_call(cm::options{.retry = cm::retry{.attempts = 0}});
         refused_at_the_call(cm::options{.retry = cm::retry{.attempts = 10'000'000}});
       }},
      {"retry", "backoff", [] { return once_more.backoff.get() == 0ns; },
       [] { EXPECT_TRUE(first_wait({.backoff = 40s, .jitter = false}).has(40s)); },
       [] { refuses([] { (void)cm::retry{.backoff = -1s}; }); }},
      {"retry", "max_delay", [] { return once_more.max_delay.get() == 1min; },
       [] {
         EXPECT_TRUE(first_wait({.backoff = 1h, .max_delay = 7s, .jitter = false}).has(7s));
         EXPECT_TRUE(first_wait({.backoff = 1h, .jitter = false}).has(1min));
       },
       [] { refuses([] { (void)cm::retry{.max_delay = not_a_number}; }); }},
      {"retry", "jitter", [] { return once_more.jitter; },
       [] {
         bool spread = false;
         for (int i = 0; i < 20; ++i) {
           const bracket wait = first_wait({.backoff = 50s});
           EXPECT_TRUE(wait.most >= 25s && wait.least <= 50s);
           spread |= !wait.has(50s);
         }
         EXPECT_TRUE(spread);
       },
       [] { does_not_compile<bool, std::string>(); }},
      {"retry", "on", [] { return tries({}) == 3U && tries({}, [] { throw cm::task_timeout("x"); }) == 1U; },
       [] {
         EXPECT_EQ(tries({.on = cm::errors<std::logic_error>}), 1U);
         EXPECT_EQ(tries({.on = cm::errors<std::runtime_error>}), 3U);
       },
       [] { does_not_compile<cm::error_filter, int>(); }},
      {"retry", "retry_if", [] { return !once_more.retry_if; },
       [] {
         EXPECT_EQ(tries({.retry_if = [](const cm::any_error&) { return false; }}), 1U);
         EXPECT_EQ(tries({.retry_if = [](const cm::any_error&) { return true; }}), 3U);
       },
       [] { does_not_compile<decltype(once_more.retry_if), int>(); }},
      {"retry", "wait_from", [] { return !once_more.wait_from; },
       [server_asks] { EXPECT_TRUE(first_wait({.jitter = false, .wait_from = server_asks(50s)}).has(50s)); },
       [] { does_not_compile<decltype(once_more.wait_from), int>(); }},
      {"retry", "max_server_wait", [] { return once_more.max_server_wait.get() == 10min; },
       [server_asks] {
         const auto asks = server_asks(601s);
         EXPECT_TRUE(first_wait({.jitter = false, .wait_from = asks, .max_server_wait = 5s}).has(5s));
         EXPECT_TRUE(first_wait({.jitter = false, .wait_from = asks}).has(600s));
       },
       [] { refuses([] { (void)cm::retry{.max_server_wait = -1s}; }); }},
  };
}

std::vector<row> all_rows() {
  std::vector<row> rows = run_rows();
  for (row& r : policy_rows()) rows.push_back(std::move(r));
  return rows;
}

TEST(options_table, defaults_effects_and_bad_values) {
  for (const row& r : all_rows()) {
    SCOPED_TRACE(std::string(r.of) + "::" + r.member);
    EXPECT_TRUE(r.by_default());
    r.effect();
    r.bad();
  }
}

/// The members of a struct, as its header declares them: "type name = default;" or "type name;", at its own depth.
std::vector<std::string> members_of(const std::string& header, const std::string& name) {
  std::smatch found;
  if (!std::regex_search(header, found, std::regex("struct " + name + " \\{\n"))) return {};
  std::vector<std::string> members;
  std::string line;
  int depth = 1;
  std::istringstream body(found.suffix());
  std::string statement;
  while (depth > 0 && std::getline(body, line)) {
    line = line.substr(0, line.find("//"));
    const int before = depth;
    for (const char c : line) depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (before != 1 || depth != 1) {
      statement.clear();
      continue;
    }
    statement += line;
    if (line.find(';') == std::string::npos) continue;
    std::smatch member;
    const bool plain = statement.find("operator") == std::string::npos && statement.find("static") == std::string::npos;
    static const std::regex declares(R"(^\s*(?:[\w:]+(?:<.*>)?)\s+(\w+)\s*(?:=.*|\{.*)?;)");
    const bool named = plain && std::regex_search(statement, member, declares);
    if (named && !member[1].str().ends_with('_')) members.push_back(member[1]);  // that would be a private one
    statement.clear();
  }
  return members;
}

TEST(options_table, every_member_has_a_row) {
  std::ifstream file(CENTIMANE_OPTIONS_HEADER);
  ASSERT_TRUE(file) << CENTIMANE_OPTIONS_HEADER;
  const std::string header(std::istreambuf_iterator<char>(file), {});
  std::size_t seen = 0;
  for (const char* name : {"map_options", "retry", "rate_limit"}) {
    std::vector<std::string> rows;
    for (const row& r : all_rows()) {
      if (r.of == std::string(name)) rows.emplace_back(r.member);
    }
    EXPECT_EQ(members_of(header, name), rows) << name;
    seen += rows.size();
  }
  EXPECT_EQ(seen, all_rows().size());
}

}  // namespace
