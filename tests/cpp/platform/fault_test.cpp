// Fault points and, through them, shared memory where memfds are refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <system_error>

#include "leak_check.hpp"
#include "platform/fault.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"

namespace centimane::platform {
namespace {

/// Does what must hold of shared memory, sealed or not: it maps, it holds what is written, readers see it.
void works_as_memory() {
  fd memory = make_memory("test", 8192);
  EXPECT_TRUE(fcntl(memory.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(memory_size(memory.get()), 8192u);
  mapping writing(memory.get(), 8192, access::write);
  EXPECT_EQ(writing.data()[8191], std::byte{0});
  memory = seal_for_readers(std::move(memory));
  EXPECT_EQ(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0), MAP_FAILED)
      << "a reader can make itself a writer";
  mapping reading(memory.get(), 8192, access::read);
  std::memcpy(writing.data() + 4000, "hello", 5);
  EXPECT_EQ(std::memcmp(reading.data() + 4000, "hello", 5), 0);
}

TEST(memory, is_shared_and_sealed_for_readers) { works_as_memory(); }

TEST(memory, keeps_its_size) {
  fd memory = make_memory("test", 4096);
  seal_size(memory.get());
  EXPECT_NE(ftruncate(memory.get(), 0), 0);
  EXPECT_NE(ftruncate(memory.get(), 8192), 0);
  mapping writing(memory.get(), 4096, access::write);
  writing.data()[0] = std::byte{1};
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS

using namespace fault;

class fault_points : public testing::Test {
 protected:
  void TearDown() override { disarm_all(); }
};

void pass() { CENTIMANE_FAULT("test.plain"); }
int call() { return CENTIMANE_FAULT_ERRNO("test.call"); }
[[maybe_unused]] void never_called() { CENTIMANE_FAULT("test.never_reached"); }

/// How a child ends that passes the point `times` times.
int end_of_child(int times) {
  const pid_t child = fork();
  if (child == 0) {
    for (int k = 0; k < times; ++k) pass();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  if (WIFSTOPPED(status)) {
    kill(child, SIGKILL);
    int last = 0;
    EXPECT_EQ(waitpid(child, &last, 0), child);
  }
  return status;
}

TEST_F(fault_points, exist_from_the_start_reached_or_not) {
  std::set<std::string_view> names;
  for (point* p : points()) EXPECT_TRUE(names.insert(p->name()).second) << p->name() << " twice";
  for (const char* name : {"test.plain", "test.call", "test.never_reached", "memfd.create", "memfd.seal"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(find("test.unknown"), nullptr);
  EXPECT_EQ(find("test.never_reached")->count(), 0u);
}

TEST_F(fault_points, count_and_act_at_the_nth_time_once) {
  point& p = *find("test.call");
  const auto before = p.count();
  EXPECT_EQ(call(), 0);
  p.arm(3, action::error, ENOSPC);
  EXPECT_EQ(call(), 0);
  EXPECT_EQ(call(), 0);
  EXPECT_EQ(call(), ENOSPC);
  EXPECT_EQ(call(), 0);
  EXPECT_EQ(p.count() - before, 5u);
}

TEST_F(fault_points, kill_stop_and_exit_a_child_that_inherits_them) {
  point& p = *find("test.plain");
  p.arm(2, action::kill);
  EXPECT_EQ(end_of_child(1), 0);
  int status = end_of_child(2);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  p.arm(1, action::exit, 42);
  status = end_of_child(1);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  p.arm(1, action::stop);
  EXPECT_TRUE(WIFSTOPPED(end_of_child(1)));
  p.arm(1, action::delay, 1);
  EXPECT_EQ(end_of_child(1), 0);
}

TEST_F(fault_points, are_armed_by_text) {
  EXPECT_TRUE(fault::arm("test.call:1:errno=5,test.plain:2:kill"));
  EXPECT_EQ(call(), 5);
  EXPECT_TRUE(WIFSIGNALED(end_of_child(2)));
  for (const char* bad : {"", "test.call", "test.call:1", "test.call:0:kill", "test.call:x:kill", "test.call:1:burn",
                          "test.call:1:errno", "test.call:1:kill=3", "test.unknown:1:kill", "test.call:1:errno=x"}) {
    EXPECT_FALSE(fault::arm(bad)) << bad;
  }
}

TEST_F(fault_points, are_armed_by_the_environment_of_a_program) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("CENTIMANE_FAULT_POINT", "nobody:1:kill,test.plain:1:exit=17", 1);
    execl("/proc/self/exe", "fault_test", "--pass-a-point", nullptr);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 17) << status;
}

TEST_F(fault_points, share_their_counts_with_children) {
  const auto before = find("test.plain")->count();
  share_counts();
  EXPECT_EQ(end_of_child(7), 0);
  pass();
  EXPECT_EQ(find("test.plain")->count() - before, 8u);
}

class refused_memfd : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { disarm_all(); }
};

TEST_P(refused_memfd, is_replaced_by_an_unlinked_file) {
  find("memfd.create")->arm(1, action::error, GetParam());
  works_as_memory();
}
INSTANTIATE_TEST_SUITE_P(answers, refused_memfd, testing::Values(EPERM, ENOSYS, EACCES, EINVAL));

TEST_F(fault_points, an_unlinked_file_leaves_no_name_and_is_private) {
  std::string dir = "/tmp/centimane-test-XXXXXX";
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  setenv("TMPDIR", dir.c_str(), 1);
  find("memfd.create")->arm(1, action::error, EPERM);
  {
    const fd memory = make_memory("test", 4096);
    struct stat about {};
    ASSERT_EQ(fstat(memory.get(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    EXPECT_EQ(about.st_nlink, 0u);
    EXPECT_EQ(rmdir(dir.c_str()), 0) << "something is left in TMPDIR";
  }
  find("memfd.create")->arm(1, action::error, EPERM);
  EXPECT_THROW(make_memory("test", 4096), std::system_error) << "TMPDIR does not exist";
  unsetenv("TMPDIR");
}

TEST_F(fault_points, other_refusals_of_memfds_are_told) {
  find("memfd.create")->arm(1, action::error, EMFILE);
  try {
    make_memory("test", 4096);
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), EMFILE);
  }
}

TEST_F(fault_points, a_seal_that_is_unknown_is_done_without) {
  find("memfd.seal")->arm(1, action::error, EINVAL);  // FUTURE_WRITE: a read-only descriptor takes its place
  works_as_memory();
  find("memfd.seal")->arm(1, action::error, EPERM);
  fd memory = make_memory("test", 4096);
  seal_size(memory.get());
  mapping writing(memory.get(), 4096, access::write);
  writing.data()[0] = std::byte{1};
}

#endif

}  // namespace
}  // namespace centimane::platform

int main(int argc, char** argv) {
#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
  if (argc == 2 && std::strcmp(argv[1], "--pass-a-point") == 0) {
    centimane::platform::pass();
    return 0;
  }
#endif
  return centimane::test::run_all(argc, argv);
}
