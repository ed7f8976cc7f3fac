// The driver against a port that does at random what ports may do: every item settles exactly once, whatever the
// schedule.
#include "run/driver.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "leak_check.hpp"

namespace centimane::engine {
namespace {

struct random_source {
  std::uint64_t state;
  std::uint64_t operator()(std::uint64_t n) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
  }
  bool one_in(std::uint64_t n) { return (*this)(n) == 0; }
};

/// Counts what the driver tells; items of some residues fail, for good or for the first attempt.
class fake_payload final : public payload, public recorder {
 public:
  struct item_state {
    int settled = 0, failures = 0;
    bool ok = false, stored = false, recorded = false, restored = false;
    std::uint32_t attempts = 0;
  };
  std::vector<item_state> items;
  index source_left = 0;
  bool each = false, stop_soon = false, no_room = false;
  bool keeps = false;  ///< a checkpoint, which knows the items whose index is 1 or 2 modulo 5
  std::vector<index> known;
  bool async = false;  // pulls are put off
  index asked = 0;
  int naps = 0;

  pulled pull(index at_most) override {
    pulled p;
    if (async) {
      asked = at_most;
      p.later = true;
      return p;
    }
    return take(at_most);
  }
  pulled take(index at_most) {
    pulled p;
    p.count = std::min(at_most, source_left);
    source_left -= p.count;
    items.resize(items.size() + p.count);
    for (index i = items.size() - p.count; keeps && i < items.size(); ++i) {
      if (i % 5 != 1 && i % 5 != 2) continue;
      items[i].stored = items[i].restored = true;
      known.push_back(i);
    }
    p.ended = source_left == 0;
    return p;
  }
  std::vector<index> restored() override { return std::exchange(known, {}); }
  void record(std::span<const index> values) override {
    EXPECT_FALSE(values.empty());
    if (no_room) throw std::runtime_error("no room");
    for (const index i : values) {
      EXPECT_FALSE(items[i].recorded || items[i].restored || items[i].settled != 0);
      items[i].recorded = true;
    }
  }
  verdict encode(index, writer&) override { return {}; }
  verdict decode(index item, bool ok, reader) override {
    items[item].stored = ok;
    if (!ok) ++items[item].failures;
    return {ok, false, 0};
  }
  verdict invoke(index item, std::uint32_t, int) override {
    items[item].stored = true;
    return {};
  }
  std::uint64_t definition(index) const override { return 1; }
  verdict fail(index item, std::uint32_t, const trouble& why) override {
    ++items[item].failures;
    return {false, why.how == policy::outcome::died, 0};
  }
  bool settled(index item, bool ok, std::uint32_t attempt, int) override {
    EXPECT_EQ(ok, items[item].stored || ok);
    EXPECT_EQ(attempt == 0, items[item].restored);
    EXPECT_EQ(items[item].recorded, keeps && ok && attempt != 0) << "recorded before it is told, and nothing else is";
    ++items[item].settled;
    items[item].ok = ok;
    items[item].attempts = attempt;
    EXPECT_TRUE(ok || items[item].failures > 0) << "an error is in place before it is told";
    return !stop_soon;
  }
  bool settled_values(index first, index n, int) override {
    EXPECT_FALSE(each);
    for (index i = first; i < first + n; ++i) {
      ++items[i].settled;
      items[i].ok = true;
      items[i].attempts = 1;
    }
    return true;
  }
  bool wants_each() const override { return each; }
  bool idle(void (*sleep)(void*), void* context) override {
    ++naps;
    sleep(context);
    return true;
  }
  std::string describe(index item) const override { return "item " + std::to_string(item); }
};

class fake_port final : public port {
 public:
  fake_port(random_source& r, index room) : random_(r), most_(room) {}
  struct task {
    index item;
    std::uint32_t attempt;
    bool begun;
  };
  std::vector<task> held;
  unsigned faults = 6;
  int away_calls = 0;
  index may_wait = 0;  ///< for a hand, to draw tokens

  index room() override { return most_ - std::min<index>(most_, held.size()); }
  void start(index first, index n, std::uint32_t attempt) override {
    ASSERT_LE(n, room());
    for (index i = first; i < first + n; ++i) held.push_back({i, attempt, random_.one_in(2)});
  }
  policy::further further() override { return {most_ + may_wait - held.size(), random_(2)}; }
  void start_drawing(index first, index n, std::uint32_t attempt) override {
    ASSERT_LE(n, further().room);
    for (index i = first; i < first + n; ++i) held.push_back({i, attempt, false});
  }
  void recall(bool hard) override {
    recalled_ = true;
    hard_ = hard_ || hard;
  }
  bool collect(events& to) override {
    if (held.empty() || random_.one_in(3)) return false;
    if (recalled_) {
      for (std::size_t k = held.size(); k-- > 0;) {
        task t = held[k];
        if (t.begun && !hard_) continue;
        held.erase(held.begin() + static_cast<long>(k));
        trouble why;
        why.how = t.begun ? policy::outcome::cancelled : policy::outcome::unsent;
        to.lost(t.item, t.attempt, why);
      }
      recalled_ = hard_ = false;
      return true;
    }
    std::size_t k = random_(held.size());
    task t = held[k];
    switch (random_(faults)) {
      case 0: {
        held.erase(held.begin() + static_cast<long>(k));
        trouble why;
        why.how = random_.one_in(2) ? policy::outcome::died : policy::outcome::overtime;
        to.lost(t.item, t.attempt, why);
        return true;
      }
      case 1: {
        held.erase(held.begin() + static_cast<long>(k));
        trouble why;
        why.how = policy::outcome::unsent;
        to.lost(t.item, t.attempt, why);
        return true;
      }
      case 2:
        held.erase(held.begin() + static_cast<long>(k));
        to.returned(t.item, t.attempt, 1, false, {false, random_.one_in(2), 0}, reader());
        return true;
      case 3: {  // a range of values, if neighbours are there
        std::sort(held.begin(), held.end(), [](auto& a, auto& b) { return a.item < b.item; });
        std::size_t n = 0;
        while (n < held.size() && held[n].attempt == 1 && held[n].item == held[0].item + n) ++n;
        if (n == 0) return false;
        index first = held[0].item;
        held.erase(held.begin(), held.begin() + static_cast<long>(n));
        to.values(first, n, 2);
        return true;
      }
      default:
        held.erase(held.begin() + static_cast<long>(k));
        if (random_.one_in(2))
          to.returned(t.item, t.attempt, 0, true, {}, reader());
        else
          to.invoked(t.item, t.attempt, 0, {});
        return true;
    }
  }
  void wait(nanos) override {
    for (task& t : held) t.begun = true;
  }
  bool arm(const detail::alarm*) override {
    wait(0);
    return !random_.one_in(4);
  }
  void away() override { ++away_calls; }

 private:
  random_source& random_;
  index most_;
  bool recalled_ = false, hard_ = false;
};

struct history {
  random_source random;
  fake_payload work;
  policy::rules rules;
  policy::limiter plenty{1'000'000'000, 1, 1'000};
  index n;

  explicit history(std::uint64_t seed, bool stream) : random{seed}, n(random(60)) {
    if (random.one_in(2)) {
      rules.total = n;
      work.items.resize(n);
    } else {
      work.source_left = n;
    }
    rules.stream = stream;
    rules.ordered = random.one_in(2);
    rules.window = 1 + random(random.one_in(2) ? 4 : 64);
    rules.attempts = static_cast<std::uint32_t>(1 + random(3));
    if (random.one_in(4)) rules.max_errors = random(4);
    work.each = random.one_in(2);
    if (random.one_in(3)) rules.limit = &plenty;
  }
  void check(const driver& d, policy::status how) {
    const tally t = d.count();
    ASSERT_EQ(t.known, work.items.size());
    index settled = 0;
    for (auto& i : work.items) {
      ASSERT_LE(i.settled, 1);
      settled += static_cast<index>(i.settled);
      ASSERT_LE(i.attempts, rules.attempts);
    }
    ASSERT_EQ(settled, t.settled);
    ASSERT_EQ(settled + t.not_started, t.known);
    if (how == policy::status::completed) {
      ASSERT_EQ(settled, n);
      ASSERT_EQ(t.not_started, 0u);
    }
  }
};

TEST(driver, every_item_of_a_map_settles_once_under_any_schedule) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history h(seed, false);
    fake_port where(h.random, 1 + h.random(8));
    where.may_wait = h.random(6);
    if (h.random.one_in(8)) h.work.stop_soon = h.work.each = true;
    driver d(h.work, where, h.rules);
    policy::status how = d.finish();
    ASSERT_TRUE(where.held.empty());
    ASSERT_NO_FATAL_FAILURE(h.check(d, how));
    ASSERT_TRUE(how != policy::status::aborted || h.rules.max_errors.has_value());
  }
}

TEST(driver, what_a_checkpoint_knows_is_not_started_and_values_are_recorded_before_they_are_told) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history h(seed, seed % 2 == 0);
    h.rules.total.reset();
    h.work.items.clear();
    h.work.source_left = h.n;
    h.work.keeps = true;
    fake_port where(h.random, 1 + h.random(8));
    driver d(h.work, where, h.rules, &h.work);
    if (h.rules.stream) {
      index expected = 0;
      for (auto s = d.next(); s.count != 0; s = d.next()) {
        for (index i = s.first; i < s.first + s.count; ++i, ++expected) {
          ASSERT_EQ(h.work.items[i].settled, 1);
          ASSERT_TRUE(!h.rules.ordered || i == expected);
        }
        d.consumed(s.count);
      }
    } else {
      d.finish();
    }
    const tally t = d.count();
    ASSERT_EQ(t.known, h.work.items.size());
    ASSERT_EQ(t.settled + t.not_started, t.known);
    if (d.status() != policy::status::completed) continue;
    ASSERT_EQ(t.settled, h.n);
    for (auto& i : h.work.items) ASSERT_EQ(i.settled, 1);
  }
}

TEST(driver, what_cannot_be_recorded_ends_the_run_untold) {
  fake_payload work;
  work.items.resize(10);
  work.keeps = work.no_room = true;
  policy::rules rules;
  rules.total = 10;
  random_source random{7};
  fake_port where(random, 3);
  driver d(work, where, rules, &work);
  EXPECT_THROW(d.finish(), std::runtime_error);
  for (auto& i : work.items) EXPECT_FALSE(i.ok);
}

TEST(driver, a_stream_emits_what_settles_in_order_if_asked) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history h(seed, true);
    fake_port where(h.random, 1 + h.random(8));
    where.may_wait = h.random(6);
    driver d(h.work, where, h.rules);
    std::vector<int> seen(h.n, 0);
    index expected = 0;
    for (auto s = d.next(); s.count != 0; s = d.next()) {
      for (index i = s.first; i < s.first + s.count; ++i) {
        ASSERT_EQ(h.work.items[i].settled, 1) << "told before it is handed out";
        ++seen[i];
        ASSERT_TRUE(!h.rules.ordered || i == expected);
        ++expected;
      }
      d.consumed(s.count);
      if (h.random.one_in(200)) d.stop(h.random.one_in(2));
    }
    ASSERT_TRUE(d.ended());
    ASSERT_NO_FATAL_FAILURE(h.check(d, d.status()));
    for (index i = 0; i < h.work.items.size(); ++i) ASSERT_EQ(seen[i], h.work.items[i].settled);
  }
}

TEST(driver, between_the_turns_of_an_event_loop_it_never_sleeps_and_every_item_settles_once) {
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const bool stream = seed % 2 == 0;
    history h(seed, stream);
    h.rules.total = std::nullopt;
    h.work.items.clear();
    h.work.source_left = h.n;
    h.work.async = h.random.one_in(2);
    fake_port where(h.random, 1 + h.random(8));
    driver d(h.work, where, h.rules);
    const detail::alarm nobody{[](void*) noexcept {}, nullptr};
    index seen = 0;
    for (int turns = 0;; ++turns) {
      ASSERT_LT(turns, 100'000);
      const auto t = d.turn(h.random.one_in(2) ? 0 : policy::never);
      for (auto s = d.ready(); s.count != 0; s = d.ready()) {
        seen += s.count;
        d.consumed(s.count);
      }
      if (t == driver::turned::end) break;
      if (t != driver::turned::dry) continue;
      if (h.work.asked > 0 && h.random.one_in(2)) {  // in pieces, and nothing at times
        const index n = h.random(h.work.asked + 1);
        h.work.asked = 0;
        d.arrived(h.work.take(n));
      }
      d.arm(&nobody);
    }
    ASSERT_EQ(h.work.naps, 0);
    ASSERT_TRUE(where.held.empty());
    ASSERT_NO_FATAL_FAILURE(h.check(d, d.status()));
    ASSERT_TRUE(!stream || seen == d.count().settled);
  }
}

TEST(driver, leaving_a_stream_takes_back) {
  fake_payload work;
  work.items.resize(100);
  policy::rules rules;
  rules.total = 100;
  rules.stream = true;
  rules.window = 20;
  class counting final : public port {
   public:
    int recalls = 0, aways = 0;
    index held = 0, first = 0;
    index room() override { return 10 - held; }
    void start(index f, index n, std::uint32_t) override {
      if (held == 0) first = f;
      held += n;
    }
    void recall(bool hard) override {
      EXPECT_FALSE(hard);
      ++recalls;
    }
    bool collect(events& to) override {
      if (held == 0) return false;
      to.values(first++, 1, 0);
      --held;
      return true;
    }
    void wait(nanos) override {}
    bool arm(const detail::alarm*) override { return true; }
    void away() override { ++aways; }
  } where;
  {
    driver d(work, where, rules);
    EXPECT_GE(d.next().count, 1u);
    EXPECT_GE(where.aways, 1) << "work is outstanding while the consumer has control";
  }
  EXPECT_EQ(where.recalls, 1);
}

}  // namespace
}  // namespace centimane::engine

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
