// Locks and semaphores between processes: what they promise, and what becomes of them when a process dies at any step.
#include "share/lock.hpp"

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "centimane/errors.hpp"
#include "children.hpp"
#include "leak_check.hpp"
#include "platform/clock.hpp"
#include "share/semaphore.hpp"

namespace {

namespace cm = centimane;
using cm::platform::process_identity;
using cm::share::cell;
using cm::share::cell_kind;
using cm::share::lock;
using cm::share::patience;
using cm::share::semaphore;
using cm::test::child;
using cm::test::counters;
using cm::test::die_at;
using cm::test::until;

class lock_test : public cm::test::leak_check {};
class semaphore_test : public cm::test::leak_check {};
class slab_test : public cm::test::leak_check {};

/// Rounds of random kills; more where CENTIMANE_KILLS asks for them.
int rounds() {
  const char* asked = std::getenv("CENTIMANE_KILLS");
  return asked != nullptr ? std::atoi(asked) : 25;
}

lock::outcome take(lock& l, process_identity& dead, std::int64_t until = patience::for_ever) {
  patience wait(until);
  return l.take(wait, dead);
}
lock::outcome take(lock& l, std::int64_t until = patience::for_ever) {
  process_identity dead;
  return take(l, dead, until);
}
semaphore::outcome take(semaphore& s, std::int64_t until = patience::for_ever) {
  patience wait(until);
  return s.take(wait);
}
constexpr auto taken = lock::outcome::taken;

std::span<const std::byte> bytes_of(const cm::share::cell_handle& handle) {
  return std::as_bytes(std::span(&handle, 1));
}

TEST_F(slab_test, cells_are_zeroed_apart_and_used_again_if_nobody_knows_them) {
  auto first = cell::make(cell_kind::bytes, 100);
  auto second = cell::make(cell_kind::bytes, 8);
  EXPECT_EQ(second->data() - first->data(), 128);
  std::byte* const at = second->data();
  *at = std::byte{7};
  second.reset();
  auto third = cell::make(cell_kind::bytes, 8);
  EXPECT_EQ(third->data(), at);
  EXPECT_EQ(*third->data(), std::byte{0});
}

TEST_F(slab_test, cells_that_others_may_know_are_not_used_again) {
  auto keep = cell::make(cell_kind::bytes, 8);
  auto sent = cell::make(cell_kind::bytes, 8);
  std::byte* const at = sent->data();
  const auto handle = sent->hand_out();
  { const auto taken_up = cell::open(cell_kind::bytes, bytes_of(handle)); }
  sent.reset();
  EXPECT_NE(cell::make(cell_kind::bytes, 8)->data(), at);
  auto inherited = cell::make(cell_kind::bytes, 8);
  std::byte* const there = inherited->data();
  child([] { return true; }).expect_good();
  inherited.reset();
  EXPECT_NE(cell::make(cell_kind::bytes, 8)->data(), there);
}

TEST_F(slab_test, a_full_slab_is_followed_by_another_and_large_things_have_their_own_memory) {
  std::vector<std::shared_ptr<cell>> all;
  for (int k = 0; k < 1200; ++k) all.push_back(cell::make(cell_kind::bytes, 64));
  for (const auto& one : all) *one->data() = std::byte{1};
  const auto large = cell::make(cell_kind::bytes, 1 << 20);
  EXPECT_EQ(large->size(), 1U << 20);
  EXPECT_EQ(large->data()[(1 << 20) - 1], std::byte{0});
}

TEST_F(slab_test, a_child_makes_cells_of_its_own) {
  auto mine = cell::make(cell_kind::bytes, 8);
  child c([] {
    auto its = cell::make(cell_kind::bytes, 8);
    *its->data() = std::byte{9};
    return true;
  });
  c.expect_good();
  EXPECT_EQ(*mine->data(), std::byte{0});
  EXPECT_EQ(*cell::make(cell_kind::bytes, 8)->data(), std::byte{0});
}

TEST_F(slab_test, damaged_handles_are_refused) {
  auto it = cell::make(cell_kind::bytes, 8);
  const auto good = it->hand_out();
  auto bad = good;
  EXPECT_THROW((void)cell::open(cell_kind::lock, bytes_of(good)), cm::payload_error);
  EXPECT_THROW((void)cell::open(cell_kind::bytes, bytes_of(good).first(20)), cm::payload_error);
  bad.offset = 64;
  EXPECT_THROW((void)cell::open(cell_kind::bytes, bytes_of(bad)), cm::payload_error);
  bad.offset = std::uint64_t{1} << 40;
  EXPECT_THROW((void)cell::open(cell_kind::bytes, bytes_of(bad)), cm::payload_error);
  bad = good;
  bad.size = UINT64_MAX;
  EXPECT_THROW((void)cell::open(cell_kind::bytes, bytes_of(bad)), cm::payload_error);
  EXPECT_EQ(cell::open(cell_kind::bytes, bytes_of(good))->data(), it->data());
}

TEST_F(lock_test, a_plain_lock_is_given_back_by_anybody) {
  const auto l = lock::make(false);
  EXPECT_EQ(take(*l), taken);
  EXPECT_TRUE(l->is_mine());
  EXPECT_EQ(take(*l, 0), lock::outcome::late);
  EXPECT_EQ(take(*l, cm::platform::now() + 1), lock::outcome::late);
  std::thread([&] {
    EXPECT_FALSE(l->is_mine());
    EXPECT_TRUE(l->give_back());
  }).join();
  EXPECT_FALSE(l->give_back()) << "it is free";
  EXPECT_TRUE(l->is_free());
  EXPECT_EQ(take(*l), taken);
  child([&] { return l->give_back(); }).expect_good();
  EXPECT_TRUE(l->is_free());
}

TEST_F(lock_test, a_recursive_lock_is_its_threads_alone) {
  const auto l = lock::make(true);
  EXPECT_EQ(take(*l), taken);
  EXPECT_EQ(take(*l), taken);
  EXPECT_EQ(l->depth(), 2U);
  std::thread([&] {
    EXPECT_FALSE(l->give_back());
    EXPECT_EQ(take(*l, 0), lock::outcome::late);
  }).join();
  child([&] { return !l->give_back() && take(*l, 0) == lock::outcome::late; }).expect_good();
  EXPECT_TRUE(l->give_back());
  EXPECT_FALSE(l->is_free());
  EXPECT_TRUE(l->give_back());
  EXPECT_FALSE(l->give_back());
  EXPECT_TRUE(l->is_free());
}

TEST_F(lock_test, excludes_processes_and_threads) {
  const auto l = lock::make(false);
  const counters n;
  const auto work = [&] {
    for (int k = 0; k < 3000; ++k) {
      if (take(*l) != taken) return false;
      n[0].store(n[0].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      l->give_back();
    }
    return true;
  };
  child a(work), b(work);
  std::thread c(work);
  EXPECT_TRUE(work());
  c.join();
  a.expect_good();
  b.expect_good();
  EXPECT_EQ(n[0].load(), 12000U);
}

TEST_F(lock_test, of_a_dead_owner_one_taker_is_told_and_then_it_is_free) {
  const auto l = lock::make(false);
  child owner([&] { return take(*l) == taken && (::kill(::getpid(), SIGKILL), false); });
  const pid_t pid = owner.pid();
  owner.expect_killed();
  EXPECT_FALSE(l->is_free());
  process_identity dead;
  EXPECT_EQ(take(*l, dead, 0), lock::outcome::owner_died);
  EXPECT_EQ(dead.pid, pid);
  EXPECT_NE(l->obituary(dead).find(std::to_string(pid)), std::string::npos);
  EXPECT_TRUE(l->is_free());
  EXPECT_EQ(take(*l, 0), taken);
}

TEST_F(lock_test, who_sleeps_learns_of_the_owners_death) {
  const auto l = lock::make(true);
  const counters n;
  child owner([&] {
    if (take(*l) != taken) return false;
    n[0].store(1);
    for (;;) ::pause();
  });
  until([&] { return n[0].load() == 1; });
  // Two that sleep: one is told, the other gets the lock.
  const auto wait = [&] {
    const lock::outcome how = take(*l);
    n[how == taken ? 1 : 2].fetch_add(1);
    if (how == taken) l->give_back();
    return true;
  };
  child a(wait), b(wait);
  owner.kill();
  owner.expect_killed();
  a.expect_good();
  b.expect_good();
  EXPECT_EQ(n[1].load(), 1U);
  EXPECT_EQ(n[2].load(), 1U);
  EXPECT_TRUE(l->is_free());
}

TEST_F(lock_test, a_death_at_any_step_leaves_it_usable) {
  for (const char* point : {"share.lock.taken", "share.lock.marked", "share.lock.release", "share.lock.released",
                            "share.lock.sleep", "share.lock.woken", "share.lock.bury", "share.lock.buried"}) {
    SCOPED_TRACE(point);
    const auto l = lock::make(false);
    const counters n;
    const std::string_view name = point;
    const bool waits = name == "share.lock.sleep" || name == "share.lock.woken";
    const bool buries = name.starts_with("share.lock.bur");
    if (waits) {
      ASSERT_EQ(take(*l), taken);
    }
    if (buries) child([&] { return take(*l) == taken; }).expect_good();  // it ends as owner
    child victim([&] {
      die_at(point);
      static_cast<void>(take(*l));
      l->give_back();
      return true;
    });
    victim.expect_killed();
    if (waits) {
      EXPECT_TRUE(l->give_back());
    }
    // Whatever the death left: at most one is told, and everybody gets it.
    child next([&] {
      const lock::outcome first = take(*l);
      if (first == lock::outcome::owner_died && take(*l) != taken) return false;
      n[0].fetch_add(1);
      return l->give_back();
    });
    next.expect_good();
    EXPECT_EQ(take(*l), taken);
    EXPECT_EQ(n[0].load(), 1U);
  }
}

TEST_F(lock_test, survives_random_kills) {
  const auto l = lock::make(false);
  const counters n;  // 0: told, 1: sections begun, 2: sections ended
  const auto work = [&] {
    for (;;) {
      if (take(*l) != taken) {
        n[0].fetch_add(1);
        continue;
      }
      n[1].fetch_add(1);
      n[2].fetch_add(1);
      l->give_back();
    }
    return true;
  };
  for (int round = 0; round < rounds(); ++round) {
    child a(work), b(work);
    const std::uint64_t before = n[2].load();
    until([&] { return n[2].load() > before + 50; });
    a.kill();
    a.join();
    const std::uint64_t after = n[2].load();
    until([&] { return n[2].load() > after + 50; });  // the other goes on
  }
  EXPECT_LE(n[1].load() - n[2].load(), 2U * static_cast<unsigned>(rounds()));
  EXPECT_TRUE(take(*l) == taken || take(*l) == taken);
}

TEST_F(semaphore_test, counts) {
  const auto s = semaphore::make(2, 3);
  EXPECT_EQ(take(*s), semaphore::outcome::taken);
  EXPECT_EQ(take(*s), semaphore::outcome::taken);
  EXPECT_EQ(s->held_here(), 2);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::late);
  EXPECT_EQ(take(*s, cm::platform::now() + 1), semaphore::outcome::late);
  EXPECT_TRUE(s->give_back());
  EXPECT_TRUE(s->give_back());
  EXPECT_EQ(s->held_here(), 0);
  EXPECT_TRUE(s->give_back());
  EXPECT_FALSE(s->give_back()) << "above its max";
  EXPECT_EQ(s->value(), 3U);
}

TEST_F(semaphore_test, wakes_as_many_as_there_are_permits) {
  const auto s = semaphore::make(0, semaphore::most);
  const counters n;
  const auto work = [&] {
    n[0].fetch_add(1);
    const bool good = take(*s) == semaphore::outcome::taken;
    n[1].fetch_add(1);
    return good;
  };
  child a(work), b(work);
  std::thread c(work), d(work);
  until([&] { return n[0].load() == 4; });
  for (int k = 0; k < 4; ++k) EXPECT_TRUE(s->give_back());
  c.join();
  d.join();
  a.expect_good();
  b.expect_good();
  EXPECT_EQ(n[1].load(), 4U);
  EXPECT_EQ(s->value(), 0U);
}

TEST_F(semaphore_test, permits_of_the_dead_come_back_within_the_initial_value) {
  const auto s = semaphore::make(3, semaphore::most);
  EXPECT_EQ(take(*s), semaphore::outcome::taken);
  child holder([&] {
    return take(*s) == semaphore::outcome::taken && take(*s) == semaphore::outcome::taken &&
           (::kill(::getpid(), SIGKILL), false);
  });
  holder.expect_killed();
  EXPECT_EQ(s->value(), 0U);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::late) << "the three that there are, and no more";
}

TEST_F(semaphore_test, a_permit_that_was_given_back_by_another_does_not_come_back_twice) {
  const auto s = semaphore::make(2, 2);
  child holder([&] { return take(*s) == semaphore::outcome::taken; });  // ends with it
  holder.expect_good();
  EXPECT_TRUE(s->give_back()) << "on its behalf";
  EXPECT_EQ(s->value(), 2U);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::late);
}

TEST_F(semaphore_test, one_that_begins_at_nothing_counts_events) {
  const auto s = semaphore::make(0, semaphore::most);
  EXPECT_TRUE(s->give_back());
  child taker([&] { return take(*s) == semaphore::outcome::taken; });
  taker.expect_good();
  EXPECT_EQ(take(*s, 0), semaphore::outcome::late) << "an event that was taken is taken";
}

TEST_F(semaphore_test, a_death_at_any_step_loses_no_permit_and_makes_none) {
  for (const char* point : {"share.semaphore.commit", "share.semaphore.committed", "share.semaphore.settled",
                            "share.semaphore.sleep", "share.semaphore.woken", "share.semaphore.reclaim"}) {
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      SCOPED_TRACE(point + std::to_string(nth));
      const auto s = semaphore::make(2, semaphore::most);
      child([&] { return take(*s) == semaphore::outcome::taken; }).expect_good();
      child([&] { return take(*s) == semaphore::outcome::taken; }).expect_good();
      child victim([&] {
        die_at(point, nth);
        patience wait(cm::platform::now() + 1'000'000);
        for (int k = 0; k < 3; ++k) static_cast<void>(s->take(wait));
        s->give_back();
        s->give_back();
        return true;
      });
      victim.join();
      EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
      EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
      EXPECT_EQ(take(*s, 0), semaphore::outcome::late);
      EXPECT_TRUE(s->give_back());
      EXPECT_TRUE(s->give_back());
      EXPECT_EQ(s->value(), 2U);
    }
  }
}

TEST_F(semaphore_test, survives_random_kills) {
  const auto s = semaphore::make(2, 2);
  const counters n;
  const auto work = [&] {
    for (;;) {
      if (take(*s) != semaphore::outcome::taken) return false;
      n[0].fetch_add(1);
      s->give_back();
    }
  };
  for (int round = 0; round < rounds(); ++round) {
    child a(work), b(work);
    std::uint64_t before = n[0].load();
    until([&] { return n[0].load() > before + 50; });
    a.kill();
    a.join();
    before = n[0].load();
    until([&] { return n[0].load() > before + 50; });
  }
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_EQ(take(*s, 0), semaphore::outcome::late);
}

TEST_F(semaphore_test, more_processes_than_entries_share_the_common_one) {
  const auto s = semaphore::make(1000, 1000);
  for (int k = 0; k < 300; ++k) child([&] { return take(*s) == semaphore::outcome::taken; }).expect_good();
  EXPECT_EQ(take(*s, 0), semaphore::outcome::taken);
  EXPECT_GE(s->value(), 1000U - 302);
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
