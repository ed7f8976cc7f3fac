// The budget that several draw from: exact in every span whoever draws, and which files it takes for one.
#include "run/budget.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "platform/clock.hpp"

namespace centimane::engine {
namespace {

namespace fs = std::filesystem;
using nanos = policy::nanos;
constexpr nanos second = 1'000'000'000;

/// A folder of the test's own.
class budget_file : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "budget-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "limit").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  void overwrite(std::streamoff at, const std::string& with) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file << with;
  }
  void expect_refused(const std::string& path, const std::string& word, nanos between = second) const {
    try {
      budget b(between, 1, path);
      ADD_FAILURE() << "taken: " << path;
    } catch (const std::invalid_argument& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  }

  fs::path folder_;
  std::string path_;
};

/// A token was taken somewhere between two looks at the clock.
struct taken {
  nanos after, before;
};

void draw(budget& from, std::size_t n, std::vector<taken>& into) {
  while (into.size() < n) {
    const nanos after = platform::now();
    if (const nanos wait = from.take(); wait == 0) into.push_back({after, platform::now()});
  }
}

/// The most tokens that were certainly taken in one half-open span of that length.
std::size_t densest(const std::vector<taken>& all, nanos span) {
  std::size_t most = 0;
  for (const taken& first : all) {
    most = std::max(most, static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const taken& t) {
                      return t.after >= first.after && t.before < first.after + span;
                    })));
  }
  return most;
}

TEST_F(budget_file, threads_and_mappings_of_one_file_never_exceed_the_promise) {
  constexpr nanos between = 20'000;
  constexpr std::size_t burst = 3;
  budget one(between, burst, path_), other(between, burst, path_);
  std::vector<std::vector<taken>> drawn(4);
  {
    std::vector<std::jthread> hands;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      hands.emplace_back([&, i] { draw(i % 2 == 0 ? one : other, 300, drawn[i]); });
    }
  }
  std::vector<taken> all;
  for (const auto& some : drawn) all.insert(all.end(), some.begin(), some.end());
  ASSERT_EQ(all.size(), 1200U);
  for (const nanos count : {1, 2, 10, 50}) {
    EXPECT_LE(densest(all, count * between), static_cast<std::size_t>(count) + burst - 1) << count;
  }
}

TEST(budget, of_one_process_is_exact_for_many_threads) {
  constexpr nanos between = 20'000;
  budget b(between, 1);
  std::vector<std::vector<taken>> drawn(3);
  {
    std::vector<std::jthread> hands;
    for (auto& mine : drawn) hands.emplace_back([&] { draw(b, 200, mine); });
  }
  std::vector<taken> all;
  for (const auto& some : drawn) all.insert(all.end(), some.begin(), some.end());
  EXPECT_LE(densest(all, between), 1U);
  EXPECT_LE(densest(all, 20 * between), 20U);
}

TEST(budget, an_older_look_at_the_clock_takes_no_token_more) {
  budget b(10, 1);
  EXPECT_EQ(b.take_up_to(100, 1), 1U);
  EXPECT_EQ(b.take_up_to(95, 1), 0U);
  EXPECT_EQ(b.take_up_to(109, 1), 0U);
  EXPECT_EQ(b.ready_at(95), 110);
  EXPECT_EQ(b.take_up_to(110, 5), 1U);
}

TEST(budget, expects_what_will_have_come) {
  budget b(10, 2);
  EXPECT_EQ(b.expected(100, 0), 2U);
  EXPECT_EQ(b.expected(100, 30), 5U);
  EXPECT_EQ(b.take_up_to(100, 5), 2U);
  EXPECT_EQ(b.expected(109, 0), 0U);
  EXPECT_EQ(b.expected(109, 1), 1U);
  EXPECT_EQ(b.expected(110, 10), 2U);
  b.pause_until(150);
  EXPECT_EQ(b.expected(149, 1000), 0U);
}

TEST_F(budget_file, what_one_takes_or_pauses_is_so_for_all) {
  budget one(second * 3600, 2, path_), other(second * 3600, 2, path_);
  EXPECT_EQ(one.take(), 0);
  EXPECT_EQ(other.take(), 0);
  EXPECT_GT(one.take(), 0);
  EXPECT_GT(other.take(), 0);
  budget(1, 1, path_ + ".paused").pause(second * 3600);
  EXPECT_GT(budget(1, 1, path_ + ".paused").take(), second);
  struct stat about {};
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0600U);
}

TEST_F(budget_file, is_begun_anew_after_a_restart_of_the_machine) {
  {
    budget before(second * 3600, 1, path_);
    EXPECT_EQ(before.take(), 0);
    before.pause(second * 3600);
  }
  overwrite(24, "00000000");       // of another boot, whose clock has nothing to do with ours
  budget after(second, 1, path_);  // maybe at another rate
  EXPECT_EQ(after.take(), 0);
  EXPECT_GT(budget(second, 1, path_).take(), 0);
}

TEST_F(budget_file, left_half_made_is_made_anew) {
  { EXPECT_EQ(budget(second * 3600, 1, path_).take(), 0); }
  overwrite(0, std::string(8, '\0'));
  EXPECT_EQ(budget(second * 3600, 1, path_).take(), 0);
  std::ofstream(path_, std::ios::trunc).close();
  EXPECT_EQ(budget(second * 3600, 1, path_).take(), 0);
}

TEST_F(budget_file, refuses_what_is_not_its_own) {
  std::ofstream(path_) << "a user's notes";
  expect_refused(path_, "is not a limiter's");
  std::ofstream(path_, std::ios::trunc) << std::string(80, 'x');
  expect_refused(path_, "is not a limiter's");
  expect_refused("", "must be the path of a file");
  expect_refused(folder_.string(), "is no plain file");
  const std::string pipe = path_ + ".pipe", link = path_ + ".link";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_refused(pipe, "is no plain file");
  fs::create_symlink(path_, link);
  expect_refused(link, "is no plain file");
  EXPECT_THROW(budget(second, 1, (folder_ / "none" / "limit").string()), std::system_error);
}

TEST_F(budget_file, refuses_another_rate_and_what_others_may_write_to) {
  const budget there(second, 1, path_);
  expect_refused(path_, "is for another rate", 2 * second);
  EXPECT_THROW(budget(second, 2, path_), std::invalid_argument);
  fs::permissions(path_, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_write);
  expect_refused(path_, "chmod 600");
}

TEST_F(budget_file, of_another_user_is_refused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  std::ofstream(path_).close();
  ASSERT_EQ(chown(path_.c_str(), 12345, 12345), 0);
  expect_refused(path_, "belongs to another user");
}

}  // namespace
}  // namespace centimane::engine
