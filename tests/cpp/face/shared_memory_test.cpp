// Named shared memory: found by its name, only this user's, and gone with the program that made it, however that ends.
#include "centimane/shared_memory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "centimane/errors.hpp"
#include "leak_check.hpp"
#include "platform/family.hpp"
#include "platform/fault.hpp"
#include "platform/named_memory.hpp"

namespace {

namespace cm = centimane;

std::string fresh_name() {
  static int n = 0;
  return "centimane-test-" + std::to_string(::getpid()) + "-" + std::to_string(++n);
}
bool exists(const std::string& name) { return ::access(("/dev/shm/" + name).c_str(), F_OK) == 0; }
std::size_t names_of_ours() { return cm::test::detail::names().size(); }

template <class F>
int error_of(F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code().value();
  }
  return 0;
}

/// Another program, as far as shared memory knows: a child that is a family of its own. Answers how it ended.
int program(const std::function<void()>& what, int with_signal = 0) {
  const pid_t child = ::fork();
  if (child == 0) {
    cm::platform::join_family(cm::platform::this_process_identity());
    what();
    if (with_signal != 0) ::raise(with_signal);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(shared_memory, is_found_by_its_name) {
  auto made = cm::shared_memory::create(1000);
  EXPECT_EQ(made.name().substr(0, 10), "centimane-");
  EXPECT_EQ(made.name().size(), 42U);
  EXPECT_EQ(made.size(), 1000U);
  EXPECT_EQ(made.as<double>().size(), 125U);
  EXPECT_TRUE(std::all_of(made.bytes().begin(), made.bytes().end(), [](std::byte b) { return b == std::byte{}; }));
  auto same = cm::shared_memory::open(made.name());
  same.as<double>()[3] = 2.5;
  EXPECT_EQ(made.as<double>()[3], 2.5);
  struct stat about {};
  ASSERT_EQ(::stat(("/dev/shm/" + made.name()).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  EXPECT_GE(about.st_blocks * 512, 1000);
  same.unlink();
  EXPECT_EQ(made.as<double>()[3], 2.5);
  EXPECT_EQ(error_of([&] { made.unlink(); }), ENOENT);
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::open(made.name()); }), ENOENT);
  made.close();
  EXPECT_TRUE(made.bytes().empty());
  const auto moved = std::move(made);
  EXPECT_TRUE(made.name().empty());  // NOLINT(bugprone-use-after-move): what is moved from is empty
  EXPECT_EQ(moved.size(), 0U);
}

TEST(shared_memory, shm_open_finds_it_and_it_finds_what_shm_open_made) {
  auto made = cm::shared_memory::create(10, "/" + fresh_name());
  const int file = ::shm_open(made.name().c_str(), O_RDWR, 0);
  EXPECT_GE(file, 0);
  ::close(file);
  made.unlink();
  const std::string name = fresh_name();
  const int other = ::shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  EXPECT_EQ(::ftruncate(other, 5), 0);
  ::close(other);
  auto found = cm::shared_memory::open(name);
  EXPECT_EQ(found.size(), 5U);
  found.unlink();
}

TEST(shared_memory, bad_arguments) {
  EXPECT_THROW((void)cm::shared_memory::create(0), std::invalid_argument);
  EXPECT_THROW((void)cm::shared_memory::create(std::size_t{1} << 50), cm::resource_limit);
  for (const std::string& bad : {std::string("a/b"), std::string("/"), std::string(".."), std::string("a\0b", 3)})
    EXPECT_EQ(error_of([&] { (void)cm::shared_memory::create(1, bad); }), EINVAL) << bad;
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::create(1, std::string(256, 'x')); }), ENAMETOOLONG);
  auto made = cm::shared_memory::create(1, fresh_name());
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::create(1, made.name()); }), EEXIST);
  made.unlink();
}

TEST(shared_memory, what_a_squatter_put_there_is_not_opened) {
  const std::string name = fresh_name(), path = "/dev/shm/" + name;
  ASSERT_EQ(::symlink("/dev/zero", path.c_str()), 0);
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::open(name); }), EACCES);
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::create(1, name); }), EEXIST);
  ::unlink(path.c_str());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { (void)cm::shared_memory::open(name); }), EACCES);
  ::unlink(path.c_str());
  ::close(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600));
  EXPECT_THROW((void)cm::shared_memory::open(name), std::invalid_argument);
  ::unlink(path.c_str());
}

TEST(shared_memory, of_a_killed_program_goes_and_what_is_not_tracked_stays) {
  const std::string gone = fresh_name(), stays = fresh_name();
  const int status = program(
      [&] {
        (void)cm::shared_memory::create(10, gone);
        (void)cm::shared_memory::create(10, stays, false);
      },
      SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(status));
  cm::platform::sweep_memory();
  EXPECT_FALSE(exists(gone));
  EXPECT_TRUE(exists(stays));
  cm::shared_memory::open(stays).unlink();
}

TEST(shared_memory, of_a_killed_program_stays_while_another_has_it) {
  const std::string name = fresh_name();
  auto held = std::make_unique<cm::shared_memory>(cm::shared_memory::create(1, fresh_name()));
  held->unlink();
  program([&] { (void)cm::shared_memory::create(10, name); }, SIGKILL);
  EXPECT_TRUE(exists(name));
  // Another program opens it before anybody looks: as here, but for the look.
  const int file = ::open(("/dev/shm/" + name).c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(file, LOCK_SH), 0);
  cm::platform::sweep_memory();
  EXPECT_TRUE(exists(name));
  ::close(file);
  cm::platform::sweep_memory();
  EXPECT_FALSE(exists(name));
}

TEST(shared_memory, goes_with_the_last_that_closes_it) {
  const std::string name = fresh_name();
  int ready[2], go[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
  const pid_t maker = ::fork();
  if (maker == 0) {
    cm::platform::join_family(cm::platform::this_process_identity());
    const auto made = cm::shared_memory::create(10, name);
    static_cast<void>(::write(ready[1], "r", 1));
    char c;
    static_cast<void>(::read(go[0], &c, 1));
    ::raise(SIGKILL);
  }
  char c;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  {
    const auto held = cm::shared_memory::open(name);
    ASSERT_EQ(::write(go[1], "g", 1), 1);
    ::waitpid(maker, nullptr, 0);
    cm::platform::sweep_memory();
    EXPECT_TRUE(exists(name));
  }
  EXPECT_FALSE(exists(name));
  for (const int end : {ready[0], ready[1], go[0], go[1]}) ::close(end);
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
namespace fault = cm::platform::fault;

TEST(shared_memory, a_maker_killed_at_any_step_leaves_nothing) {
  for (const char* at : {"named_memory.noted", "named_memory.named", "named_memory.unlinked"}) {
    const std::string name = fresh_name();
    const int status = program([&] {
      fault::find(at)->arm(1, fault::action::kill);
      cm::shared_memory::create(10, name).unlink();
    });
    EXPECT_TRUE(WIFSIGNALED(status)) << at;
    cm::platform::sweep_memory();
    EXPECT_EQ(names_of_ours(), 0U) << at;
  }
}

TEST(shared_memory, a_sweeper_killed_half_way_leaves_it_to_the_next) {
  program([] { (void)cm::shared_memory::create(10, fresh_name()); }, SIGKILL);
  const int status = program([] {
    fault::find("named_memory.swept")->arm(1, fault::action::kill);
    cm::platform::sweep_memory();
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  cm::platform::sweep_memory();
  EXPECT_EQ(names_of_ours(), 0U);
}

TEST(shared_memory, a_full_dev_shm_is_told_and_leaves_nothing) {
  fault::find("named_memory.room")->arm(1, fault::action::error, ENOSPC);
  EXPECT_THROW((void)cm::shared_memory::create(10, fresh_name()), cm::resource_limit);
  fault::find("named_memory.nameless")->arm(1, fault::action::error, ENOENT);
  EXPECT_THROW((void)cm::shared_memory::create(10, fresh_name()), cm::resource_limit);
  fault::find("mapping.map")->arm(1, fault::action::error, ENOMEM);
  EXPECT_THROW((void)cm::shared_memory::create(10, fresh_name()), cm::resource_limit);
  EXPECT_EQ(names_of_ours(), 0U);
  fault::find("named_memory.room")->arm(1, fault::action::error, EINTR);
  auto made = cm::shared_memory::create(10, fresh_name());
  made.unlink();
}

TEST(shared_memory, where_files_cannot_be_without_a_name_it_is_made_under_its_own) {
  fault::find("named_memory.nameless")->arm(2, fault::action::error, EOPNOTSUPP);
  auto first = cm::shared_memory::create(10, fresh_name());
  auto second = cm::shared_memory::create(10, fresh_name());
  EXPECT_EQ(cm::shared_memory::open(second.name()).size(), 10U);
  first.unlink();
  second.unlink();
  fault::find("named_memory.nameless")->arm(1, fault::action::error, EOPNOTSUPP);
  fault::find("named_memory.room")->arm(1, fault::action::error, ENOSPC);
  EXPECT_THROW((void)cm::shared_memory::create(10, fresh_name()), cm::resource_limit);
  EXPECT_EQ(names_of_ours(), 0U);
}
#endif

}  // namespace
