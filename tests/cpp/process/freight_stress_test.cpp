// Large items and large results, both ways, while workers are killed at random and at every point where a death is
// interesting. Whatever happens, each outcome is true, each value is whole, and in the end no block is leased and no
// memory is mapped.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <mutex>

#include "centimane/errors.hpp"
#include "leak_check.hpp"
#include "platform/fault.hpp"
#include "pool_world.hpp"

namespace centimane::engine::test {
namespace {

class freight : public centimane::test::leak_check {};

constexpr std::uint64_t kib = 1024;

/// What an item is: how large its argument and its result are, and what its task does to itself.
struct order_of_item {
  std::uint64_t salt, in, out, inline_out;
  deed what = deed::square;
  bool keep = false;  ///< the task keeps looking into its argument
};

/// Word k of what item `salt` carries.
std::uint64_t word(std::uint64_t salt, std::uint64_t k) {
  return (salt + 1) * 0x9e3779b97f4a7c15U + k * 0x2545f4914f6cdd1dU;
}
std::vector<std::uint64_t> words(std::uint64_t salt, std::uint64_t bytes) {
  std::vector<std::uint64_t> all(bytes / 8);
  for (std::uint64_t k = 0; k < all.size(); ++k) all[k] = word(salt, k);
  return all;
}
bool are_words(std::uint64_t salt, const std::byte* at, std::uint64_t bytes) {
  for (std::uint64_t k = 0; k < bytes / 8; ++k) {
    std::uint64_t w = 0;
    std::memcpy(&w, at + k * 8, 8);
    if (w != word(salt, k)) return false;
  }
  return true;
}

class carrier_servant final : public servant {
 public:
  void set_up(reader) override {}
  void define(std::uint64_t, reader) override {}
  void forget(std::uint64_t) override {}
  verdict run(std::uint64_t, std::uint32_t, reader item, writer& out, phase_marker& mark) override {
    const auto o = item.raw<order_of_item>();
    const auto argument = item.bulk(o.in);
    if (o.what == deed::die_reading) ::kill(getpid(), SIGKILL);
    mark.running();
    bool good = are_words(o.salt, argument.data, o.in);
    if (argument.own) {  // ours to write to; the next task to get the block must not see it
      std::memset(const_cast<std::byte*>(argument.data), 0xee, o.in / 2);
      if (o.keep) kept_.push_back(item.beside(0));
    }
    if (kept_.size() > 8) kept_.erase(kept_.begin());
    if (o.what == deed::kill) ::kill(getpid(), SIGKILL);
    if (o.what == deed::hang_hard) {
      for (;;) usleep(1000);
    }
    mark.writing();
    out.raw(good);
    const auto value = words(~o.salt, o.out), rest = words(o.salt + 7, o.inline_out);
    out.bulk(value.data(), o.out);
    if (o.what == deed::die_writing) ::kill(getpid(), SIGKILL);
    out.bytes(rest.data(), o.inline_out);
    verdict v;
    v.ok = o.what != deed::raise;
    return v;
  }

 private:
  std::vector<annexed> kept_;
};

class items final : public payload {
 public:
  explicit items(std::vector<order_of_item> all) : orders(std::move(all)), settled_times(orders.size()) {}
  std::vector<order_of_item> orders;
  std::vector<int> settled_times;
  std::vector<annexed> looked_into;  ///< results that are kept
  std::size_t keep_results = 0;
  std::function<void(index)> on_settled;
  std::uint64_t values = 0, errors = 0, wrong = 0;
  std::map<std::string, int> troubles;

  pulled pull(index) override { return {0, 0, true, false}; }
  verdict encode(index i, writer& out) override {
    const order_of_item& o = orders[i];
    const auto argument = words(o.salt, o.in);
    out.raw(o);
    out.bulk(argument.data(), o.in);
    return {};
  }
  verdict decode(index i, bool ok, reader in) override {
    const order_of_item& o = orders[i];
    if (!ok) return ++errors, verdict{false, false, 0};
    const bool argument_was_good = in.raw<bool>();
    const auto value = in.bulk(o.out);
    if (!argument_was_good || !are_words(~o.salt, value.data, o.out) ||
        !are_words(o.salt + 7, in.bytes(o.inline_out), o.inline_out)) {
      ++wrong;
    }
    if (value.own && looked_into.size() < keep_results) looked_into.push_back(in.beside(0));
    if (value.own) std::memset(const_cast<std::byte*>(value.data), 0xdd, std::min<std::uint64_t>(o.out, 5000));
    ++values;
    return {};
  }
  verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index) const override { return definition_id; }
  verdict fail(index, std::uint32_t, const trouble& why) override {
    ++troubles[why.how == policy::outcome::overtime ? "overtime" : why.text.substr(0, 40)];
    return {false, false, 0};
  }
  bool settled(index i, bool, std::uint32_t, int) override {
    ++settled_times[i];
    if (on_settled) on_settled(i);
    return true;
  }
  bool settled_values(index first, index n, int worker) override {
    for (index i = first; i < first + n; ++i) settled(i, true, 1, worker);
    return true;
  }
  [[nodiscard]] bool wants_each() const override { return true; }
  bool idle(void (*sleep)(void*), void* context) override {
    sleep(context);
    return true;
  }
  [[nodiscard]] std::string describe(index i) const override { return "item " + std::to_string(i); }
  std::uint64_t definition_id = 0;
};

pool_rules rules_of_freight(std::uint32_t workers) {
  pool_rules rules;
  rules.workers = workers;
  rules.make_zygote = [] {
    zygote_hooks hooks;
    hooks.in_worker = [](worker_files files) {
      carrier_servant face;
      serve_worker(std::move(files), face);
    };
    return zygote::fork_here(hooks);
  };
  return rules;
}

policy::status carry_freight(const std::shared_ptr<pool>& where, items& work, nanos task_timeout = policy::never) {
  process_port port(where, work, task_timeout);
  work.definition_id = port.define({});
  policy::rules rules;
  rules.total = work.orders.size();
  driver d(work, port, rules);
  return d.finish();
}

std::vector<order_of_item> random_orders(std::mt19937_64& random, std::size_t n) {
  std::vector<order_of_item> all;
  const auto size = [&]() -> std::uint64_t {
    switch (random() % 5) {
      case 0:
        return 0;
      case 1:
        return random() % (60 * kib) / 8 * 8;
      case 2:
        return (64 * kib + random() % (200 * kib)) / 8 * 8;
      case 3:
        return (200 * kib + random() % (800 * kib)) / 8 * 8;
      default:
        return (1000 * kib + random() % (2000 * kib)) / 8 * 8;
    }
  };
  for (std::size_t i = 0; i < n; ++i) {
    order_of_item o{i, size(), size(), random() % 6 == 0 ? 100 * kib : random() % 100 * 8};
    o.keep = random() % 4 == 0;
    all.push_back(o);
  }
  return all;
}

/// Everything is back: the views that tasks kept are returned, or their workers are gone.
void expect_all_free(std::shared_ptr<pool>& where) {
  where->close(0);
  EXPECT_EQ(where->leases(), 0U);
  where.reset();
}

TEST_F(freight, comes_whole_both_ways) {
  std::mt19937_64 random(1);
  auto where = pool::open(rules_of_freight(2));
  items work(random_orders(random, 300));
  EXPECT_EQ(carry_freight(where, work), policy::status::completed);
  EXPECT_EQ(work.values, 300U);
  EXPECT_EQ(work.wrong, 0U);
  EXPECT_TRUE(work.troubles.empty());
  expect_all_free(where);
}

TEST_F(freight, results_outlive_their_pool) {
  std::mt19937_64 random(2);
  auto where = pool::open(rules_of_freight(2));
  std::vector<order_of_item> orders;
  for (std::uint64_t i = 0; i < 40; ++i) orders.push_back({i, 0, (64 + i * 20) * kib, 0});
  items work(orders);
  work.keep_results = 40;
  EXPECT_EQ(carry_freight(where, work), policy::status::completed);
  where->close(0);
  EXPECT_EQ(where->leases(), 40U);
  where.reset();
  std::uint64_t sum = 0;
  for (const annexed& a : work.looked_into) {
    EXPECT_EQ(a.data[0], std::byte{0xdd}) << "what was written to it here stays";
    sum += static_cast<std::uint64_t>(a.data[a.size - 1]);
  }
  EXPECT_GT(sum, 0U);
}

TEST_F(freight, workers_killed_at_random_cost_what_they_had_begun) {
  const char* wanted = std::getenv("CENTIMANE_SEED");
  const std::uint64_t seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  std::cout << "CENTIMANE_SEED=" << seed << '\n';
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3; ++round) {
    auto where = pool::open(rules_of_freight(2 + static_cast<std::uint32_t>(random() % 2)));
    auto orders = random_orders(random, 250);
    int own = 0;
    for (order_of_item& o : orders) {
      constexpr deed deaths[] = {deed::die_reading, deed::kill, deed::die_writing, deed::raise};
      if (random() % 25 != 0) continue;
      o.what = deaths[random() % 4];
      ++own;
    }
    items work(std::move(orders));
    work.keep_results = 5;
    std::uint64_t next_kill = 10, killed = 0;
    work.on_settled = [&](index) {
      if (--next_kill != 0) return;
      next_kill = 1 + random() % 30;
      for (const worker_status& w : where->status()) {
        // Killed before its first result it is a failed start, and five of these in ten seconds fail the pool.
        if (w.pid > 0 && w.done > 0 && random() % 2 == 0 && ::kill(static_cast<pid_t>(w.pid), SIGKILL) == 0) ++killed;
      }
    };
    EXPECT_EQ(carry_freight(where, work), policy::status::completed);
    EXPECT_TRUE(std::all_of(work.settled_times.begin(), work.settled_times.end(), [](int n) { return n == 1; }));
    EXPECT_EQ(work.wrong, 0U);
    EXPECT_GE(work.values + static_cast<std::uint64_t>(own) + killed, 250U);
    EXPECT_GT(killed, 0U);
    work.looked_into.clear();
    expect_all_free(where);
  }
}

TEST_F(freight, tasks_that_pass_their_limit_give_their_blocks_back) {
  pool_rules rules = rules_of_freight(2);
  rules.soft_grace = 0;
  auto where = pool::open(std::move(rules));
  std::vector<order_of_item> orders;
  for (std::uint64_t i = 0; i < 30; ++i) {
    orders.push_back({i, 300 * kib, 300 * kib, 0});
    if (i % 10 == 3) orders.back().what = deed::hang_hard;
  }
  items work(orders);
  EXPECT_EQ(carry_freight(where, work, 200'000'000), policy::status::completed);
  EXPECT_EQ(work.troubles["overtime"], 3);
  EXPECT_EQ(work.values, 27U);
  EXPECT_EQ(work.wrong, 0U);
  expect_all_free(where);
}

TEST_F(freight, a_run_that_is_left_gives_its_blocks_back) {
  auto where = pool::open(rules_of_freight(2));
  for (int round = 0; round < 10; ++round) {
    std::vector<order_of_item> orders;
    for (std::uint64_t i = 0; i < 40; ++i) orders.push_back({i, 200 * kib, 500 * kib, 0});
    items work(orders);
    process_port port(where, work);
    work.definition_id = port.define({});
    policy::rules rules;
    rules.total = orders.size();
    rules.stream = true;
    driver d(work, port, rules);
    EXPECT_GT(d.next().count, 0U);
  }
  expect_all_free(where);
}

TEST_F(freight, recycled_workers_take_nothing_along) {
  pool_rules rules = rules_of_freight(2);
  rules.max_tasks = 3;
  auto where = pool::open(std::move(rules));
  std::mt19937_64 random(3);
  items work(random_orders(random, 100));
  EXPECT_EQ(carry_freight(where, work), policy::status::completed);
  EXPECT_EQ(work.values, 100U);
  EXPECT_EQ(work.wrong, 0U);
  expect_all_free(where);
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
class freight_points : public ::testing::TestWithParam<const char*> {};

TEST_P(freight_points, a_death_there_costs_one_task_at_most) {
  for (const int nth : {1, 2, 9}) {
    const centimane::test::belongings before = centimane::test::look();
    ASSERT_TRUE(platform::fault::arm(std::string(GetParam()) + ":" + std::to_string(nth) + ":kill"));
    auto where = pool::open(rules_of_freight(2));  // its zygote inherits what is armed, and each worker its own count
    platform::fault::disarm_all();
    std::vector<order_of_item> orders;
    for (std::uint64_t i = 0; i < 24; ++i) orders.push_back({i, 150 * kib, 90 * kib, i % 3 == 0 ? 100 * kib : 0});
    items work(orders);
    EXPECT_EQ(carry_freight(where, work), policy::status::completed);
    EXPECT_TRUE(std::all_of(work.settled_times.begin(), work.settled_times.end(), [](int n) { return n == 1; }));
    EXPECT_EQ(work.wrong, 0U);
    std::uint64_t lost = 0;
    for (const auto& [text, n] : work.troubles) lost += static_cast<std::uint64_t>(n);
    EXPECT_EQ(work.values + lost, 24U);
    EXPECT_TRUE(nth == 1 || work.values > 0) << "a worker gets that far";
    expect_all_free(where);
    centimane::test::expect_nothing_left(before);
  }
}
INSTANTIATE_TEST_SUITE_P(points, freight_points,
                         ::testing::Values("worker.after_open", "worker.decoded", "worker.after_user",
                                           "worker.after_grant", "worker.half_copied", "worker.undone",
                                           "worker.before_publish", "worker.half_written", "worker.after_commit"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });
#endif

}  // namespace
}  // namespace centimane::engine::test

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
