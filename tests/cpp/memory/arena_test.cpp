// The arena and a tenancy over real memory: what is copied where, what survives whom, what forks see, what comes back.
#include "memory/arena.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "leak_check.hpp"
#include "memory/tenancy.hpp"
#include "platform/clock.hpp"

namespace centimane::memory {
namespace {

class arena_of_a_pool : public centimane::test::leak_check {};

std::vector<std::byte> pattern(std::size_t n, int salt = 0) {
  std::vector<std::byte> bytes(n);
  for (std::size_t k = 0; k < n; ++k) bytes[k] = static_cast<std::byte>(k * 31 + static_cast<std::size_t>(salt));
  return bytes;
}

/// An arena whose pool lives: what becomes free stays warm.
std::shared_ptr<arena> with_pool() {
  auto a = arena::make();
  a->on_release([] {});
  return a;
}
/// Its pool is gone.
struct pool_end {
  std::shared_ptr<arena> a;
  ~pool_end() { a->on_release({}); }
};

/// One worker, without the process and the sockets around it.
struct worker {
  explicit worker(arena& of) : a(of), id(of.enrol()) {}
  void lend(const argument& what) {
    ASSERT_TRUE(a.lend(what.number(), id));
    if (!known.insert(what.where().segment).second) return;
    std::uint64_t size = 0;
    const auto file = a.file_of(what.where().segment, size);
    mine.map(what.where().segment, use::arguments, *file, size);
  }
  annexed view(const argument& what) {
    return mine.view(what.number(), what.where().segment, what.where().offset, what.length());
  }
  /// Writes a result and publishes it.
  std::optional<annexed> result(std::span<const std::byte> bytes) {
    auto room = mine.take(bytes.size());
    if (!room) {
      grant g = a.give(id, bytes.size());
      if (g.number == 0) return std::nullopt;
      if (g.file) mine.map(g.where.segment, use::results, *g.file, g.segment_size);
      mine.granted(g.number, g.where.segment, g.where.offset, g.where.size);
      room = mine.take(bytes.size());
    }
    std::memcpy(room->at, bytes.data(), bytes.size());
    return a.publish(room->number, id, bytes.size());
  }
  void return_what_ended() {
    std::vector<lease> ended;
    mine.collect(ended);
    for (const lease l : ended) EXPECT_TRUE(a.take_back(l, id));
  }
  arena& a;
  const holder id;
  tenancy mine;
  std::set<segment_number> known;
};

bool same(const annexed& view, const std::vector<std::byte>& bytes) {
  return view.size == bytes.size() && std::memcmp(view.data, bytes.data(), bytes.size()) == 0;
}

TEST_F(arena_of_a_pool, arguments_arrive_in_parts_and_can_be_written_over) {
  const auto a = arena::make();
  worker w(*a);
  for (int k = 0; k < 6; ++k) {
    const auto first = pattern(100'001, k), second = pattern(3, k), third = pattern(2 << 20, k);
    const annex::part parts[] = {first, second, {}, third};
    auto sent = a->write(parts);
    w.lend(*sent);
    {
      const annexed view = w.view(*sent);
      std::size_t at = 0;
      for (const auto& p : parts) {
        at = annex::aligned(at);
        if (!p.empty()) {
          EXPECT_EQ(std::memcmp(view.data + at, p.data(), p.size()), 0);
        }
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data + at) % annex::alignment, 0U);
        at += p.size();
      }
      EXPECT_EQ(view.size, at);
      if (k % 2 == 0) std::memset(view.data, 0xee, view.size);
    }
    w.return_what_ended();
    sent.reset();
    EXPECT_EQ(a->count().leases, 0U);
    EXPECT_EQ(a->count().segments, 1U) << "the warm block is used again";
  }
}

TEST_F(arena_of_a_pool, large_arguments_are_whole_however_they_are_written) {
  const pool_end pool{with_pool()};
  arena& a = *pool.a;
  worker w(a);
  const std::size_t size = (std::size_t{33} << 20) + 4097;  // two threads copy it
  for (int k = 0; k < 7; ++k) {                             // by system calls at first, then to pages that are mapped
    const auto bytes = pattern(size, k);
    const annex::part whole = bytes;
    auto sent = a.write({&whole, 1});
    w.lend(*sent);
    EXPECT_TRUE(same(w.view(*sent), bytes)) << "use " << k;
    w.return_what_ended();
    sent.reset();
    EXPECT_EQ(a.count().segments, 1U);
  }
}

TEST_F(arena_of_a_pool, an_argument_that_was_not_returned_reaches_the_next_worker_as_it_was) {
  const auto a = arena::make();
  const auto bytes = pattern(1 << 20);
  const annex::part whole(bytes);
  const auto sent = a->write({&whole, 1});
  {
    worker first(*a);
    first.lend(*sent);
    const annexed view = first.view(*sent);
    std::memset(view.data, 0, view.size);
    a->died(first.id);
  }
  worker second(*a);
  second.lend(*sent);
  EXPECT_TRUE(same(second.view(*sent), bytes));
  a->died(second.id);
}

TEST_F(arena_of_a_pool, a_view_outlives_its_worker_its_pool_and_every_reuse) {
  std::vector<annexed> views;
  std::vector<std::vector<std::byte>> wanted;
  {
    const auto a = arena::make();
    worker w(*a);
    for (int k = 0; k < 12; ++k) {
      wanted.push_back(pattern(100'000 + static_cast<std::size_t>(k) * 300'000, k));
      views.push_back(*w.result(wanted.back()));
      static_cast<void>(*w.result(pattern(1 << 20, 99)));  // dropped at once, its block used again
    }
    a->died(w.id);
    a->on_release({});
  }
  for (std::size_t k = 0; k < views.size(); ++k) EXPECT_TRUE(same(views[k], wanted[k])) << k;
}

TEST_F(arena_of_a_pool, writing_to_a_result_does_not_show_in_the_next) {
  const auto a = with_pool();
  const pool_end end{a};
  worker w(*a);
  for (int k = 0; k < 4; ++k) {
    const auto bytes = pattern(3 << 20, k);
    const auto view = *w.result(bytes);
    EXPECT_TRUE(same(view, bytes));
    std::memset(view.data, 0xee, view.size);
  }
  EXPECT_EQ(a->count().segments, 1U);
  a->died(w.id);
}

TEST_F(arena_of_a_pool, views_may_end_on_any_thread) {
  const auto a = arena::make();
  worker w(*a);
  std::vector<std::thread> threads;
  for (int k = 0; k < 64; ++k) {
    const auto bytes = pattern(70'000, k);
    const annex::part whole(bytes);
    const auto sent = a->write({&whole, 1});
    w.lend(*sent);
    threads.emplace_back([result = *w.result(bytes), view = w.view(*sent), bytes]() mutable {
      EXPECT_TRUE(same(result, bytes) && same(view, bytes));
      result = {};
      view = {};
    });
    w.return_what_ended();
  }
  for (auto& t : threads) t.join();
  w.return_what_ended();
  EXPECT_EQ(a->count().leases, 0U);
  EXPECT_TRUE(a->count().consistent);
}

/// Runs `body` in a copy of this process; true if it answers true there.
template <class Body>
pid_t copy(int go, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    char now = 0;
    static_cast<void>(!read(go, &now, 1));
    _exit(body() ? 0 : 1);
  }
  return child;
}

TEST_F(arena_of_a_pool, a_copy_of_the_process_keeps_the_results_it_inherited) {
  const auto a = with_pool();
  const pool_end end{a};
  worker w(*a);
  const auto bytes = pattern(2 << 20, 1), small = pattern(80'000, 2);
  std::optional<annexed> large_view = w.result(bytes), small_view = w.result(small);
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = copy(go[0], [&] {
    const bool seen = same(*large_view, bytes) && same(*small_view, small);
    std::memset(large_view->data, 1, large_view->size);
    large_view.reset();  // a finaliser in the copy touches nothing of the parent's
    return seen;
  });
  std::memset(small_view->data, 7, small_view->size);  // the copy must not see it
  large_view.reset();
  small_view.reset();
  for (int k = 0; k < 8; ++k) {
    const auto again = w.result(pattern(2 << 20, 50 + k)), other = w.result(pattern(80'000, 60 + k));
    EXPECT_TRUE(again && other);
  }
  ASSERT_EQ(write(go[1], "x", 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the copy saw what the parent or a worker wrote later";
  close(go[0]);
  close(go[1]);
  a->died(w.id);
}

TEST_F(arena_of_a_pool, what_a_forking_task_looked_into_is_not_given_back) {
  const auto a = arena::make();
  worker w(*a);
  const auto bytes = pattern(1 << 20);
  const annex::part whole(bytes);
  auto sent = a->write({&whole, 1});
  w.lend(*sent);
  {
    const annexed view = w.view(*sent);
    w.mine.forked();
  }
  w.return_what_ended();
  sent.reset();
  EXPECT_EQ(a->count().leases, 1U) << "the copy may look into it";
  a->died(w.id);
  EXPECT_EQ(a->count().leases, 0U);
}

TEST_F(arena_of_a_pool, gives_idle_memory_back_and_tells_when) {
  const auto a = arena::make();
  int notices = 0;
  a->on_release([&] { ++notices; });
  worker w(*a);
  EXPECT_EQ(a->tidy_at(), INT64_MAX);
  static_cast<void>(w.result(pattern(5 << 20)));
  EXPECT_EQ(notices, 1);
  EXPECT_GT(a->count().idle, 0U);
  const std::int64_t due = a->tidy_at();
  EXPECT_TRUE(a->tidy(due - 500'000'000).empty()) << "it is warm still";
  EXPECT_EQ(a->tidy(due).size(), 1U);
  EXPECT_EQ(a->count().segments, 0U);
  a->on_release({});
}

TEST_F(arena_of_a_pool, keeps_only_so_much_warm) {
  const auto a = arena::make();
  a->on_release([] {});
  worker w(*a);
  std::vector<annexed> views;
  const auto bytes = pattern(12 << 20);
  for (int k = 0; k < 40; ++k) views.push_back(*w.result(bytes));
  views.clear();
  EXPECT_LE(a->count().idle, std::uint64_t{256} << 20);
  EXPECT_GT(a->count().idle, 0U);
  a->on_release({});
  EXPECT_EQ(a->count().segments, 0U);
  a->died(w.id);
}

TEST_F(arena_of_a_pool, leaves_room_for_as_many_arguments_as_fit_its_share) {
  const auto a = arena::make();
  EXPECT_EQ(a->room(), UINT64_MAX);
  const auto bytes = pattern(8 << 20);
  const annex::part whole(bytes);
  std::vector<std::shared_ptr<const argument>> sent;
  while (a->room() > 0 && sent.size() < 200) sent.push_back(a->write({&whole, 1}));
  EXPECT_GE(sent.size(), 8U);
  EXPECT_LT(sent.size(), 200U) << "an eighth of memory, a gigabyte at most";
  sent.clear();
  EXPECT_EQ(a->room(), UINT64_MAX);
}

/// While one thread makes a segment another lets go of a block of the same size, which is then taken in its place. Each
/// block must be the same memory for its worker and for us, whichever it is.
TEST_F(arena_of_a_pool, blocks_come_free_while_segments_are_made) {
  pool_end pool{with_pool()};
  worker w(*pool.a);
  std::mutex lock;
  std::deque<annexed> ending;
  bool done = false;
  std::thread other([&] {
    for (;;) {
      annexed view;
      const std::lock_guard hold(lock);
      if (ending.empty() && done) return;
      if (ending.empty()) continue;
      view = std::move(ending.front());
      ending.pop_front();
    }
  });
  constexpr std::uint64_t size = (std::uint64_t{1} << 20) + 1;  // a segment a block
  int wrong = 0, refused = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    grant g = pool.a->give(w.id, size);
    ASSERT_NE(g.number, 0U);
    if (g.file) w.mine.map(g.where.segment, use::results, *g.file, g.segment_size);
    w.mine.granted(g.number, g.where.segment, g.where.offset, g.where.size);
    const auto room = w.mine.take(size);
    if (!room) {
      ++refused;
      ASSERT_TRUE(pool.a->give_up(g.number, w.id));
      continue;
    }
    std::memcpy(room->at, &i, sizeof i);
    auto view = pool.a->publish(room->number, w.id, size);
    ASSERT_TRUE(view);
    wrong += std::memcmp(view->data, &i, sizeof i) != 0 ? 1 : 0;
    const std::lock_guard hold(lock);
    ending.push_back(std::move(*view));
  }
  {
    const std::lock_guard hold(lock);
    done = true;
  }
  other.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace centimane::memory

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
