// A file that appears whole or not at all.
#include "platform/new_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "leak_check.hpp"
#include "platform/fault.hpp"

namespace centimane::platform {
namespace {

namespace fs = std::filesystem;

struct new_files : testing::Test {
  const fs::path folder = fs::path(std::getenv("TMPDIR")) / "new_files";
  const fs::path path = folder / "made.json";
  new_files() { fs::create_directory(folder); }
  ~new_files() override { fs::remove_all(folder); }
  new_files(const new_files&) = delete;
  new_files& operator=(const new_files&) = delete;

  [[nodiscard]] std::string text() const {
    std::ostringstream all;
    all << std::ifstream(path).rdbuf();
    return all.str();
  }
  [[nodiscard]] std::size_t names() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
  static int refusal(const fs::path& where) {
    try {
      new_file refused(where);
    } catch (const std::system_error& e) {
      return e.code().value();
    }
    return 0;
  }
};

TEST_F(new_files, take_their_place_at_the_end) {
  std::ofstream(path) << "before";
  new_file made(path);
  made.write("more");
  EXPECT_EQ(text(), "before");
  made.write(std::string(200'000, '!'));
  made.finish();
  EXPECT_EQ(text().size(), 200'004u);
  EXPECT_EQ(names(), 1u);
}

TEST_F(new_files, have_the_rights_that_the_umask_leaves) {
  const mode_t before = umask(027);
  new_file made(path);
  made.finish();
  umask(before);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
}

TEST_F(new_files, leave_nothing_if_they_are_given_up) {
  {
    new_file made(path);
    made.write("half");
  }
  EXPECT_EQ(names(), 0u);
}

TEST_F(new_files, a_relative_name_means_the_directory_of_that_moment) {
  const fs::path here = fs::current_path();
  fs::current_path(folder);
  new_file made("made.json");
  fs::current_path(here);
  made.write("x");
  made.finish();
  EXPECT_EQ(text(), "x");
}

TEST_F(new_files, follow_a_link_to_the_file_it_names) {
  std::ofstream(path) << "before";
  fs::create_symlink(path, folder / "link");
  new_file made(folder / "link");
  made.write("after");
  made.finish();
  EXPECT_EQ(text(), "after");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
}

TEST_F(new_files, are_refused_where_they_cannot_be) {
  EXPECT_EQ(refusal(folder / "missing" / "made.json"), ENOENT);
  EXPECT_EQ(refusal(folder), EISDIR);
  EXPECT_EQ(refusal("/dev/null"), EINVAL) << "a device is not to be replaced";
  EXPECT_EQ(refusal(""), EISDIR);
  EXPECT_EQ(names(), 0u);
}

TEST_F(new_files, a_write_that_fails_is_told_and_leaves_nothing) {
#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
  {
    new_file made(path);
    made.write("text");
    fault::find("new_file.write")->arm(1, fault::action::error, ENOSPC);
    EXPECT_THROW(made.finish(), std::system_error);
  }
  fault::disarm_all();
  EXPECT_EQ(names(), 0u);
#else
  GTEST_SKIP() << "needs fault points";
#endif
}

}  // namespace
}  // namespace centimane::platform

int main(int argc, char** argv) {
  centimane::test::mark_processes(argv);
  return centimane::test::run_all(argc, argv);
}
