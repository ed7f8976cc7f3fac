// The ledger of leases under random histories, against a model that is as simple as can be: what each lease is, and who
// has it. Every answer of the ledger is compared, and that it holds together after each step.
#include "memory/ledger.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "memory/size_class.hpp"

namespace centimane::memory {
namespace {

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;

TEST(size_class, holds_what_is_asked_for_and_little_more) {
  std::mt19937_64 random(7);
  for (int k = 0; k < 200'000; ++k) {
    const std::uint64_t n = 1 + random() % (std::uint64_t{1} << (1 + random() % 46));
    const std::uint64_t block = block_for(n);
    ASSERT_GE(block, n);
    ASSERT_EQ(block % least_block, 0U) << "the largest pages are 64 KiB";
    ASSERT_LE(block, std::max(n + least_block - 1, n + n / 4)) << n;
    ASSERT_EQ(block_for(block), block) << "a block is of its own class";
    for (const bool arguments : {false, true}) ASSERT_GE(blocks_in_segment(arguments, block), 1U);
  }
  EXPECT_EQ(block_for(64 * mib), 64 * mib);
}

TEST(ledger, an_argument_is_free_when_parcel_and_worker_are_done) {
  ledger l;
  EXPECT_EQ(l.argument(mib), 0U);
  l.add(use::arguments, 0, mib);
  const lease a = l.argument(mib);
  EXPECT_TRUE(l.where(a).fresh());
  EXPECT_TRUE(l.lend(a, 1));
  EXPECT_FALSE(l.lend(a, 2)) << "one worker at a time";
  l.settle(a, 5);
  EXPECT_EQ(l.kept(1), mib);
  EXPECT_FALSE(l.take_back(a, 2, 6)) << "it is not that worker's";
  EXPECT_TRUE(l.take_back(a, 1, 6));
  EXPECT_EQ(l.leases(), 0U);
  EXPECT_FALSE(l.take_back(a, 1, 7)) << "a lease is over once";
  const lease b = l.argument(mib);
  EXPECT_NE(a, b);
  EXPECT_FALSE(l.where(b).fresh()) << "the warm block is taken first";
}

TEST(ledger, a_dead_workers_argument_goes_to_the_next) {
  ledger l;
  l.add(use::arguments, 0, mib);
  const lease a = l.argument(mib);
  EXPECT_TRUE(l.lend(a, 1));
  l.died(1, 0);
  EXPECT_EQ(l.leases(), 1U) << "the parcel holds it";
  EXPECT_TRUE(l.lend(a, 2));
  l.settle(a, 0);
  l.died(2, 0);
  EXPECT_EQ(l.leases(), 0U);
}

TEST(ledger, results_belong_to_their_worker_and_views_outlive_it) {
  ledger l;
  l.add(use::results, 1, 2 * mib);
  EXPECT_EQ(l.grant(2, 2 * mib), 0U) << "no memory that two workers write to";
  const lease g = l.grant(1, 2 * mib);
  EXPECT_FALSE(l.publish(g, 2, 1)) << "not its grant";
  EXPECT_FALSE(l.publish(g, 1, 2 * mib + 1)) << "longer than the block";
  EXPECT_FALSE(l.take_back(g, 1, 0)) << "no argument";
  EXPECT_TRUE(l.publish(g, 1, 2 * mib));
  EXPECT_FALSE(l.publish(g, 1, 1)) << "once";
  EXPECT_FALSE(l.give_up(g, 1, 0)) << "it is the driver's now";
  l.died(1, 0);
  EXPECT_EQ(l.leases(), 1U);
  EXPECT_TRUE(l.drop(100).empty());
  l.release(g, 1);
  EXPECT_EQ(l.drop(INT64_MIN).size(), 1U) << "a dead worker's segment goes with its last view";
  EXPECT_EQ(l.segments(), 0U);
}

TEST(ledger, what_was_viewed_at_a_fork_is_not_used_again) {
  ledger l;
  l.add(use::results, 1, mib);
  const lease viewed = l.grant(1, mib);
  ASSERT_TRUE(l.publish(viewed, 1, 1));
  l.pin();
  EXPECT_EQ(l.grant(1, mib), 0U) << "its neighbours are not either";
  l.release(viewed, 0);
  EXPECT_EQ(l.grant(1, mib), 0U);
  EXPECT_EQ(l.drop(INT64_MIN).size(), 1U);
}

TEST(ledger, gives_back_what_was_idle_longest_first) {
  ledger l;
  for (int k = 0; k < 4; ++k) l.add(use::results, 1, 2 * mib);
  std::vector<lease> all;
  for (int k = 0; k < 4; ++k) all.push_back(l.grant(1, 2 * mib));
  EXPECT_EQ(l.grant(1, 2 * mib), 0U);
  EXPECT_EQ(l.free_since(), std::nullopt);
  for (std::int64_t k = 0; k < 4; ++k) l.give_up(all[static_cast<std::size_t>(k)], 1, 10 * k);
  EXPECT_EQ(l.free_since(), 0);
  EXPECT_EQ(l.idle(), 8 * mib);
  EXPECT_EQ(l.drop(10).size(), 2U);
  EXPECT_EQ(l.drop(10, 2 * mib).size(), 1U) << "more than is kept warm";
  EXPECT_NE(l.grant(1, 2 * mib), 0U);
  EXPECT_EQ(l.idle(), 0U);
}

/// What a lease is, as far as its users know.
struct known {
  state is;
  holder worker = 0;
  bool parcel = false;
  std::uint64_t block;
};

class history {
 public:
  explicit history(std::uint64_t seed) : random_(seed) {}

  void step() {
    ++now_;
    switch (random_() % 14) {
      case 0:
      case 1: {
        const std::uint64_t block = size();
        lease a = l_.argument(block);
        if (a == 0) {
          l_.add(use::arguments, 0, block);
          a = l_.argument(block);
        }
        enter(a, {state::argument, 0, true, block});
        break;
      }
      case 2:
      case 3: {
        const std::uint64_t block = size();
        const holder w = worker();
        lease g = l_.grant(w, block);
        if (g == 0) {
          l_.add(use::results, w, block);
          g = l_.grant(w, block);
        }
        enter(g, {state::grant, w, false, block});
        break;
      }
      case 4: {
        const lease x = any();
        const holder w = worker();
        known* k = find(x);
        const bool legal = k != nullptr && k->is == state::argument && k->parcel && k->worker == 0;
        ASSERT_EQ(l_.lend(x, w), legal);
        if (legal) k->worker = w;
        break;
      }
      case 5:
      case 6: {
        const lease x = any();
        const holder w = worker();
        known* k = find(x);
        const bool legal = k != nullptr && k->is == state::argument && k->worker == w;
        ASSERT_EQ(l_.take_back(x, w, now_), legal);
        if (!legal) break;
        k->worker = 0;
        if (!k->parcel) leave(x);
        break;
      }
      case 7:
      case 8: {
        const lease x = any();
        l_.settle(x, now_);
        known* k = find(x);
        if (k == nullptr || k->is != state::argument) break;
        k->parcel = false;
        if (k->worker == 0) leave(x);
        break;
      }
      case 9: {
        const lease x = any();
        const holder w = worker();
        known* k = find(x);
        const std::uint64_t length = random_() % (2 * mib);
        const bool legal = k != nullptr && k->is == state::grant && k->worker == w && length <= k->block;
        ASSERT_EQ(l_.publish(x, w, length), legal);
        if (legal) *k = {state::view, 0, false, k->block};
        break;
      }
      case 10: {
        const lease x = any();
        const holder w = worker();
        known* k = find(x);
        const bool legal = k != nullptr && k->is == state::grant && k->worker == w;
        ASSERT_EQ(l_.give_up(x, w, now_), legal);
        if (legal) leave(x);
        break;
      }
      case 11: {
        const lease x = any();
        l_.release(x, now_);
        if (known* k = find(x); k != nullptr && k->is == state::view) leave(x);
        break;
      }
      case 12:
        rare();
        break;
      default:
        for (const segment_number n : l_.drop(now_ - static_cast<std::int64_t>(random_() % 50), 8 * mib)) {
          for (const auto& [x, at] : places_) ASSERT_NE(at.segment, n) << "a segment with a lease is dropped";
          dropped_.insert(n);
        }
    }
    ASSERT_TRUE(l_.consistent());
    ASSERT_EQ(l_.leases(), known_.size());
  }

  void end() {
    while (!known_.empty()) {
      const auto [x, k] = *known_.begin();
      if (k.parcel) l_.settle(x, now_);
      const bool lent = k.is == state::argument && k.worker != 0;
      ASSERT_TRUE(!lent || l_.take_back(x, k.worker, now_));
      ASSERT_TRUE(k.is != state::grant || l_.give_up(x, k.worker, now_));
      if (k.is == state::view) l_.release(x, now_);
      known_.erase(x);
      places_.erase(x);
    }
    ASSERT_EQ(l_.leases(), 0U);
    ASSERT_EQ(l_.leased(use::arguments) + l_.leased(use::results), 0U);
    l_.drop(INT64_MAX);
    ASSERT_EQ(l_.segments(), 0U);
    ASSERT_TRUE(l_.consistent());
  }

 private:
  void rare() {
    if (random_() % 3 == 0) {
      l_.pin();
      for (const auto& [x, k] : known_) {
        if (k.is == state::view) pinned_.insert(places_[x].segment);
      }
      return;
    }
    const holder w = worker();
    l_.died(w, now_);
    for (auto at = known_.begin(); at != known_.end();) {
      auto& [x, k] = *at++;
      if (k.worker != w) continue;
      k.worker = 0;
      if (k.is == state::grant || !k.parcel) leave(x);
    }
  }
  std::uint64_t size() { return block_for(1 + random_() % (3 * mib)); }
  holder worker() { return 1 + random_() % 3; }
  /// A lease that is, was, or never will be.
  lease any() {
    if (known_.empty() || random_() % 8 == 0) return random_() % 200;
    auto at = known_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % known_.size()));
    return at->first;
  }
  known* find(lease x) {
    const auto at = known_.find(x);
    return at == known_.end() ? nullptr : &at->second;
  }
  void enter(lease x, known k) {
    ASSERT_NE(x, 0U);
    ASSERT_TRUE(ever_.insert(x).second) << "a lease is given twice";
    const place at = l_.where(x);
    ASSERT_EQ(at.size, k.block);
    ASSERT_FALSE(pinned_.contains(at.segment)) << "what was viewed at a fork is used again";
    ASSERT_FALSE(dropped_.contains(at.segment));
    for (const auto& [other, there] : places_) {
      ASSERT_FALSE(there.segment == at.segment && there.offset == at.offset) << "one block, two leases";
      if (there.segment == at.segment && k.is == state::grant && known_.at(other).is == state::grant) {
        ASSERT_EQ(known_.at(other).worker, k.worker) << "two workers write to one segment";
      }
    }
    known_.emplace(x, k);
    places_.emplace(x, at);
  }
  void leave(lease x) {
    known_.erase(x);
    places_.erase(x);
  }

  ledger l_;
  std::mt19937_64 random_;
  std::map<lease, known> known_;
  std::map<lease, place> places_;
  std::set<lease> ever_;
  std::set<segment_number> pinned_, dropped_;
  std::int64_t now_ = 0;
};

TEST(ledger, random_histories_agree_with_the_model) {
  const char* wanted = std::getenv("CENTIMANE_SEED");
  const std::uint64_t first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  std::cout << "CENTIMANE_SEED=" << first << '\n';
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history h(seed);
    for (int k = 0; k < 600; ++k) {
      h.step();
      if (testing::Test::HasFatalFailure()) return;
    }
    h.end();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace centimane::memory

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
