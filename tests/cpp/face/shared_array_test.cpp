// Arrays that processes share: what they hold, how they travel, and that they are gone with their last handle.
#include "centimane/shared_array.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <complex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"
#include "face/warm_pools.hpp"
#include "platform/fault.hpp"

namespace {

namespace cm = centimane;

struct point {
  double x, y;
  std::int32_t tag;
};

TEST(shared_array, is_zeroed_filled_or_copied) {
  const cm::shared_array<double> zeros(5);
  EXPECT_EQ(zeros.size(), 5U);
  EXPECT_EQ(zeros.size_bytes(), 40U);
  for (const double x : zeros) EXPECT_EQ(x, 0);
  const cm::shared_array<int> sevens(3, 7);
  EXPECT_EQ(std::accumulate(sevens.begin(), sevens.end(), 0), 21);
  std::vector<point> points(100'000, point{1, 2, 3});
  points.back().tag = 9;
  const cm::shared_array shared(points);
  static_assert(std::is_same_v<decltype(shared), const cm::shared_array<point>>);
  cm::shared_array same(shared);
  static_assert(std::is_same_v<decltype(same), cm::shared_array<point>>);
  EXPECT_EQ(same, shared);
  EXPECT_EQ(cm::shared_array(same), shared);
  EXPECT_EQ(shared.span().back().tag, 9);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shared.data()) % 64, 0U);
  EXPECT_EQ(cm::shared_array(std::string("text"))[2], 'x');
}

TEST(shared_array, of_nothing) {
  const cm::shared_array<int> none, empty(0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(none.begin(), none.end());
  const auto back = cm::parallel_map([](const cm::shared_array<int>& a) { return a; },
                                     std::vector<cm::shared_array<int>>{none, empty}, {.executor = cm::process});
  EXPECT_EQ(back.values()[0].size(), 0U);
  EXPECT_EQ(back.values()[1].size(), 0U);
}

TEST(shared_array, a_copy_is_another_handle) {
  const cm::shared_array<int> a(2);
  const auto b = a;
  b[1] = 4;
  EXPECT_EQ(a.at(1), 4);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, cm::shared_array<int>(2));
  EXPECT_THROW((void)a.at(2), std::out_of_range);
}

TEST(shared_array, too_many_elements_are_refused) {
  EXPECT_THROW((cm::shared_array<double>(SIZE_MAX / 2)), std::length_error);
  EXPECT_THROW((cm::shared_array<char>(std::size_t{1} << 50)), cm::resource_limit);
}

/// A function that holds what owns memory is a struct.
struct add_to {
  cm::shared_array<std::int64_t> sums;
  void operator()(int n) const { std::atomic_ref(sums[static_cast<std::size_t>(n) % sums.size()]).fetch_add(n); }
};

TEST(shared_array, workers_write_in_place) {
  const cm::shared_array<std::int64_t> sums(2);
  std::vector<int> items(200);
  std::iota(items.begin(), items.end(), 0);
  const auto done = cm::parallel_map(add_to{sums}, items, {.executor = cm::process, .workers = 2});
  EXPECT_TRUE(done.failures().empty());
  EXPECT_EQ(sums[0], 9900);
  EXPECT_EQ(sums[1], 10000);
}

TEST(shared_array, as_item_and_result_and_inside_others) {
  using inside = std::pair<std::string, std::vector<cm::shared_array<double>>>;
  const cm::shared_array<double> a(3, 1.5);
  const auto back = cm::parallel_map(
      [](const inside& in) {
        in.second[0][1] = 7;
        return inside{in.first + "!", {in.second[0], cm::shared_array<double>(2, 3.5)}};
      },
      std::vector<inside>{{"one", {a}}}, {.executor = cm::process});
  const inside& got = back.values()[0];
  EXPECT_EQ(got.first, "one!");
  EXPECT_EQ(got.second[0], a);
  EXPECT_EQ(a[1], 7);
  EXPECT_EQ(got.second[1][1], 3.5);
}

TEST(shared_array, a_fork_has_it_too) {
  const cm::shared_array<int> a(2);
  const pid_t child = ::fork();
  if (child == 0) {
    a[0] = 5;
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(a[0], 5);
}

TEST(shared_array, a_worker_that_is_killed_costs_its_task_only) {
  const cm::shared_array<int> a(2);
  const auto done = cm::parallel_map(
      [](const cm::shared_array<int>& array) {
        array[0] = 3;
        ::raise(SIGKILL);
      },
      std::vector{a}, {.executor = cm::process});
  EXPECT_EQ(done.failures().size(), 1U);
  EXPECT_EQ(a[0], 3);
}

TEST(shared_array, what_a_worker_made_outlives_it) {
  std::vector<cm::shared_array<int>> made;
  {
    const auto done = cm::parallel_map([](int n) { return cm::shared_array<int>(1000, n); }, std::vector{1, 2, 3, 4, 5},
                                       {.executor = cm::process, .workers = 2, .max_tasks_per_worker = 1});
    for (const auto& one : done) made.push_back(one);
  }
  cm::engine::close_warm_pools(0);
  for (std::size_t k = 0; k < made.size(); ++k) EXPECT_EQ(made[k][999], static_cast<int>(k) + 1);
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
/// Whoever is killed at whatever step of a hand-over takes his task along and nothing else; what he held is freed.
TEST(shared_array, a_worker_killed_at_any_step_of_a_hand_over) {
  const cm::shared_array<int> theirs(100, 5);
  for (const char* at : {"segment.made", "segment.marked", "segment.lent"}) {
    const auto done = cm::parallel_map(
        [](const std::string& step) {
          cm::platform::fault::find(step)->arm(1, cm::platform::fault::action::kill);
          return cm::shared_array<int>(100, 7);
        },
        std::vector<std::string>{at}, {.executor = cm::process, .workers = 1});
    EXPECT_EQ(done.failures().size(), 1U) << at;
  }
  for (const int step : {0, 1}) {
    const auto done = cm::parallel_map([](const cm::shared_array<int>& a) { return a[99]; }, std::vector{theirs},
                                       {.executor = cm::process, .workers = 1, .worker_init = [step] {
                                          cm::platform::fault::find(step == 0 ? "segment.mapped" : "segment.taken")
                                              ->arm(1, cm::platform::fault::action::kill);
                                        }});
    EXPECT_EQ(done.failures().size(), 1U) << step;
  }
  EXPECT_EQ(theirs[99], 5);
  const auto after = cm::parallel_map([](const cm::shared_array<int>& a) { return a; }, std::vector{theirs},
                                      {.executor = cm::process, .workers = 1});
  EXPECT_EQ(after.values()[0], theirs);
}
#endif

TEST(shared_array, bytes_that_are_none_are_refused) {
  cm::writer out;
  const cm::shared_array<int> array(4);
  cm::codec<cm::shared_array<int>>::write(out, array);
  std::vector<std::byte> bytes(out.view().begin(), out.view().end());
  const auto read = [](std::span<const std::byte> from) {
    cm::reader in(from);
    return cm::codec<cm::shared_array<int>>::read(in);
  };
  EXPECT_EQ(read(bytes).size(), 4U);
  EXPECT_THROW((void)read(std::span(bytes).first(bytes.size() - 1)), cm::payload_error);
  std::vector<std::byte> larger = bytes;
  larger[1] = std::byte{1};  // 260 elements
  EXPECT_THROW((void)read(larger), cm::payload_error);
  larger[7] = std::byte{255};
  EXPECT_THROW((void)read(larger), cm::payload_error);
  std::vector<std::byte> other = bytes;
  other[9] ^= std::byte{255};  // no handle
  EXPECT_THROW((void)read(other), cm::payload_error);
}

}  // namespace
