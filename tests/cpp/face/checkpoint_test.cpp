// Checkpoints of the C++ face: what was recorded is not run again, nothing is told of before it is recorded, and files
// that are not for a run are refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct params {
  const char* name;
  cm::executor where;
  std::size_t workers;
};

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

/// A folder of the test's own.
class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "checkpoint-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { fs::remove_all(path_); }
  [[nodiscard]] fs::path path() const { return path_; }
  [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

void sql(const std::string& file, const char* statement) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  char* why = nullptr;
  EXPECT_EQ(sqlite3_exec(database, statement, nullptr, nullptr, &why), SQLITE_OK) << why;
  sqlite3_close(database);
}

/// Counts calls in a file, which any process may append to.
struct counted_square {
  std::string counts;
  int operator()(int n) const {
    const int file = ::open(counts.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const std::string line = std::to_string(n) + "\n";
    const auto written = ::write(file, line.data(), line.size());
    ::close(file);
    if (written != static_cast<ssize_t>(line.size())) throw std::runtime_error("not counted");
    return n * n;
  }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(counts);
  }
};

std::map<int, int> counts_in(const std::string& file) {
  std::map<int, int> counts;
  std::ifstream in(file);
  for (int n = 0; in >> n;) ++counts[n];
  return counts;
}

template <class Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const cm::checkpoint_error& e) {
    return e.what();
  }
  return "(it was not refused)";
}

class checkpoints : public testing::TestWithParam<params> {
 protected:
  [[nodiscard]] cm::options how(std::string version = {}) const {
    return {.executor = GetParam().where,
            .workers = GetParam().workers,
            .checkpoint = cm::checkpoint{dir / "work.ckpt", std::move(version)}};
  }
  [[nodiscard]] counted_square square() const { return {dir / "counts"}; }
  [[nodiscard]] std::map<int, int> counts() const { return counts_in(dir / "counts"); }
  folder dir;
};

TEST_P(checkpoints, the_second_run_runs_nothing) {
  const auto items = numbers(50);
  for (const unsigned attempts : {1U, 0U}) {
    cm::map_options<int> with = how();
    std::set<unsigned> seen;
    with.on_result = [&](const cm::item_result<int>& r) { seen.insert(r.attempts); };
    auto r = cm::parallel_map(square(), items, with);
    ASSERT_TRUE(r.ok());
    for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(r.values()[i], static_cast<int>(i * i));
    EXPECT_EQ(seen, std::set<unsigned>{attempts});
  }
  for (const auto& [item, n] : counts()) EXPECT_EQ(n, 1) << item;
  struct stat found {};
  ASSERT_EQ(::stat((dir / "work.ckpt").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  EXPECT_FALSE(fs::exists(dir / "work.ckpt-wal"));
}

TEST_P(checkpoints, inputs_of_every_kind) {
  auto half = numbers(30);
  ASSERT_TRUE(cm::parallel_map(square(), half, how()).ok());
  std::list<int> listed;
  for (int n = 0; n < 40; ++n) listed.push_back(n);
  ASSERT_TRUE(cm::parallel_map(square(), listed, how()).ok());
  for (int n = 40; n < 50; ++n) listed.push_back(n);
  const auto r = cm::parallel_map(square(), std::list<int>(listed), how());  // given away, and held one by one
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.values().back(), 49 * 49);
  ASSERT_TRUE(cm::parallel_map(square(), numbers(60), how()).ok());
  EXPECT_EQ(counts().size(), 60U);
  for (const auto& [item, n] : counts()) EXPECT_EQ(n, 1) << item;
}

TEST_P(checkpoints, a_run_goes_on_where_it_was_stopped) {
  const auto items = numbers(60);
  std::stop_source stop;
  cm::map_options<int> with = how();
  with.stop = stop.get_token();
  with.window_size = 8;
  int told = 0;
  with.on_result = [&](const cm::item_result<int>&) {
    if (++told == 20) stop.request_stop();
  };
  const auto cut = cm::parallel_map(square(), items, with);
  EXPECT_FALSE(cut.ok());
  EXPECT_EQ(cut.size(), 60U);
  EXPECT_GE(cut.successes().size(), 20U);
  EXPECT_EQ(cut.successes().size() + cut.failures().size(), 60U);
  const auto recorded = cm::checkpoint_info(dir / "work.ckpt").completed;
  EXPECT_GE(recorded, 20U);
  unsigned restored = 0;
  cm::map_options<int> again = how();
  again.on_result = [&](const cm::item_result<int>& r) { restored += r.attempts == 0 ? 1 : 0; };
  EXPECT_TRUE(cm::parallel_map(square(), items, again).ok());
  EXPECT_EQ(restored, recorded);
}

TEST_P(checkpoints, streams) {
  for (const bool ordered : {true, false}) {
    cm::options with = how();
    with.ordered = ordered;
    with.window_size = 5;
    const auto items = numbers(ordered ? 20 : 40);
    std::vector<int> seen;
    for (auto& r : cm::parallel_iter(square(), items, with)) {
      ASSERT_NE(r.value, nullptr);
      EXPECT_EQ(*r.value, static_cast<int>(r.index * r.index));
      EXPECT_EQ(r.attempts, !ordered && r.index < 20 ? 0U : 1U);
      seen.push_back(static_cast<int>(r.index));
    }
    if (!ordered) std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, items);
  }
  for (const auto& [item, n] : counts()) EXPECT_EQ(n, 1) << item;
}

struct only_even {
  int operator()(int n) const {
    if (n % 2 != 0) throw std::invalid_argument("odd");
    return n;
  }
};

TEST_P(checkpoints, failures_are_not_recorded) {
  const auto items = numbers(10);
  for (int round = 0; round < 2; ++round) {
    const auto r = cm::parallel_map(only_even{}, items, how());
    ASSERT_EQ(r.failures().size(), 5U);
    EXPECT_EQ(r.failures()[2].index, 5U);
    EXPECT_EQ(cm::checkpoint_info(dir / "work.ckpt").completed, 5U);
  }
}

TEST_P(checkpoints, keys_let_items_move) {
  std::vector<std::string> items{"a", "bb", "ccc"};
  const auto size = [](const std::string& s) { return s.size(); };
  cm::map_options<std::size_t> with = how();
  with.item_key = [](const std::string& s) { return s; };
  ASSERT_TRUE(cm::parallel_map(size, items, with).ok());
  std::reverse(items.begin(), items.end());
  items.insert(items.begin(), "dddd");
  std::vector<std::pair<std::string, unsigned>> seen;
  with.on_result = [&](const cm::item_result<std::size_t>& r) { seen.emplace_back(r.key, r.attempts); };
  const auto r = cm::parallel_map(size, items, with);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.values()[3], 1U);
  std::sort(seen.begin(), seen.end());
  const std::vector<std::pair<std::string, unsigned>> expected{{"a", 0}, {"bb", 0}, {"ccc", 0}, {"dddd", 1}};
  EXPECT_EQ(seen, expected);
}

INSTANTIATE_TEST_SUITE_P(executors, checkpoints,
                         testing::Values(params{"sequential", cm::sequential, 0}, params{"thread", cm::thread, 2},
                                         params{"process", cm::process, 2}),
                         [](const auto& one) { return std::string(one.param.name); });

class checkpoint_files : public testing::Test {
 protected:
  [[nodiscard]] cm::options how(std::string version = {}) const {
    return {.executor = cm::sequential, .checkpoint = cm::checkpoint{file, std::move(version)}};
  }
  [[nodiscard]] std::string refused(const cm::options& with) const {
    return refusal([&] { (void)cm::parallel_map(only_even{}, numbers(5), with); });
  }
  void expect_refused(const char* words) const {
    EXPECT_NE(refused(how()).find(words), std::string::npos) << refused(how());
    const auto of_stream = refusal([&] { (void)cm::parallel_iter(only_even{}, numbers(5), how()); });
    EXPECT_NE(of_stream.find(words), std::string::npos) << of_stream;
  }
  void fill() const { (void)cm::parallel_map(only_even{}, numbers(500), how()); }
  folder dir;
  std::string file = dir / "work.ckpt";
};

TEST_F(checkpoint_files, facts) {
  (void)cm::parallel_map(only_even{}, numbers(10), how("v7"));
  const auto facts = cm::checkpoint_info(file);
  EXPECT_EQ(facts.path, file);
  EXPECT_EQ(facts.face, "c++");
  EXPECT_EQ(facts.version, "v7");
  EXPECT_NE(facts.function.find("only_even (int) -> int"), std::string::npos) << facts.function;
  EXPECT_EQ(facts.completed, 5U);
  EXPECT_EQ(facts.size_bytes, fs::file_size(file));
  EXPECT_NE(refusal([&] { (void)cm::checkpoint_info(dir / "nothing"); }).find("cannot be read"), std::string::npos);
  EXPECT_NE(refusal([&] { (void)cm::checkpoint_info(dir.path().string()); }).find("no plain file"), std::string::npos);
}

TEST_F(checkpoint_files, another_function_or_version) {
  fill();
  EXPECT_NE(refusal([&] {
              (void)cm::parallel_map([](int n) { return n; }, numbers(5), how());
            }).find("holds results of another function"),
            std::string::npos);
  EXPECT_NE(refused(how("2")).find("was written with version '', and this is '2'"), std::string::npos);
}

TEST_F(checkpoint_files, damaged) {
  for (const std::uintmax_t size : {100U, 5000U}) {
    fs::remove(file);
    fill();
    ASSERT_GT(fs::file_size(file), 8000U);
    fs::resize_file(file, size);
    expect_refused("Delete the file to begin anew");
  }
  std::ofstream(file) << std::string(5000, 'x');
  expect_refused("damaged, or no checkpoint");
}

TEST_F(checkpoint_files, random_bytes_are_never_taken_for_values) {
  std::mt19937 draw(7);
  for (int round = 0; round < 10; ++round) {
    fs::remove(file);
    fill();
    {
      std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
      for (int k = 0; k < 20; ++k) {
        out.seekp(static_cast<std::streamoff>(draw() % fs::file_size(file)));
        for (int b = 0; b < 8; ++b) out.put(static_cast<char>(draw() & 0xffU));
      }
    }
    try {
      const auto r = cm::parallel_map(only_even{}, numbers(500), how());
      for (auto& [index, value] : r.successes()) EXPECT_EQ(value, static_cast<int>(index));
      EXPECT_EQ(r.failures().size(), 250U);
    } catch (const cm::checkpoint_error&) {
    }
  }
}

TEST_F(checkpoint_files, others) {
  sql(file, "CREATE TABLE bookmarks (url TEXT)");
  expect_refused("no checkpoint but another database, with the tables bookmarks");
}

TEST_F(checkpoint_files, other_face_and_format) {
  fill();
  sql(file, "UPDATE meta SET value = 'python' WHERE name = 'face'");
  expect_refused("written by python, whose values C++ cannot read");
  EXPECT_EQ(cm::checkpoint_info(file).face, "python");
  sql(file, "PRAGMA user_version = 9");
  expect_refused("has format 9");
}

TEST_F(checkpoint_files, changed_value) {
  fill();
  sql(file, "UPDATE done SET value = x'07000000' WHERE key = CAST('#4' AS BLOB)");
  EXPECT_NE(refused(how()).find("has changed since it was written"), std::string::npos) << refused(how());
}

TEST_F(checkpoint_files, no_plain_file) {
  fill();
  fs::create_symlink(file, dir / "link");
  cm::options with = how();
  with.checkpoint->path = dir / "link";
  EXPECT_NE(refused(with).find("no plain file"), std::string::npos);
  with.checkpoint->path = dir / "missing/work.ckpt";
  EXPECT_NE(refused(with).find("cannot be opened"), std::string::npos);
  with.checkpoint->path = "/proc/work.ckpt";
  EXPECT_NE(refused(with).find("cannot be opened"), std::string::npos);
  fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
  expect_refused("chmod go-w");
}

TEST_F(checkpoint_files, one_run_at_a_time) {
  {
    auto running = cm::parallel_iter(only_even{}, numbers(5), how());
    auto at = running.begin();
    expect_refused("is in use by another run");
    EXPECT_EQ(cm::checkpoint_info(file).completed, 1U);
    (void)at;
  }
  EXPECT_EQ(refused(how()), "(it was not refused)");
}

TEST_F(checkpoint_files, bad_arguments) {
  const auto bad = [](auto call) { EXPECT_THROW(call(), std::invalid_argument); };
  bad([&] { (void)cm::parallel_map(&std::labs, std::vector<long>{1}, how()); });  // the type is every such function's
  cm::options with = how();
  with.checkpoint->function = "labs";
  EXPECT_TRUE(cm::parallel_map(&std::labs, std::vector<long>{1}, with).ok());
  with.checkpoint->path = "";
  bad([&] { (void)cm::parallel_map(only_even{}, numbers(5), with); });
  cm::options keyed{.executor = cm::sequential, .item_key = [](const std::string& s) { return s; }};
  bad([&] { (void)cm::parallel_map(only_even{}, numbers(5), keyed); });
}

struct opaque {
  int* at;
};
TEST_F(checkpoint_files, what_has_no_codec) {
  const std::vector<opaque> items(3);
  EXPECT_THROW((void)cm::parallel_map([](const opaque&) { return 1; }, items, how()), cm::payload_error);
  EXPECT_THROW((void)cm::parallel_map([](int) { return opaque{}; }, numbers(3), how()), cm::payload_error);
}

TEST_F(checkpoint_files, two_items_with_one_key) {
  cm::options with = how();
  with.item_key = [](int n) { return n % 3; };
  EXPECT_NE(refused(with).find("two items have the key '0' (the second is item 3)"), std::string::npos)
      << refused(with);
}

TEST_F(checkpoint_files, keys_without_a_checkpoint) {
  const cm::options with{
      .executor = cm::thread, .workers = 2, .item_key = [](int n) { return "k" + std::to_string(n); }};
  const auto r = cm::parallel_map(only_even{}, numbers(4), with);
  ASSERT_EQ(r.failures().size(), 2U);
  for (auto& one : cm::parallel_iter(only_even{}, numbers(4), with))
    EXPECT_EQ(one.key, "k" + std::to_string(one.index));
}

TEST_F(checkpoint_files, recorded_items_take_no_token) {
  const auto same = [](int n) { return n; };
  ASSERT_TRUE(cm::parallel_map(same, numbers(20), how()).ok());
  cm::options slow = how();
  slow.rate_limit = cm::rate_limit(1, cm::per::hour);
  slow.timeout = 5min;
  EXPECT_TRUE(cm::parallel_map(same, numbers(20), slow).ok());
}

}  // namespace
