#include "centimane/cpu_count.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "leak_check.hpp"
#include "platform/cgroup.hpp"
#include "platform/cpu_count.hpp"

namespace {

using namespace centimane::platform;
namespace fs = std::filesystem;

/// A root with files of our making.
class fake_root {
 public:
  fake_root() {
    std::string path = (fs::temp_directory_path() / "cpu-count-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~fake_root() { fs::remove_all(path_); }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path_ + name).parent_path());
    std::ofstream(path_ + name) << text;
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr const char* v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* v1_mount =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

TEST(cpu_max, reads_quota_and_period) {
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
  EXPECT_EQ(parse_cpu_max("50000 100000"), 0.5);
  EXPECT_EQ(parse_cpu_max("200000"), 2.0);
}

TEST(cpu_max, anything_else_is_no_limit) {
  for (const char* text : {"", "\n", "max", "max 100000\n", "0 100000", "-1 100000", "100000 0", "x y",
                           "100000 100000 1", "99999999999999999999 100000"}) {
    EXPECT_EQ(parse_cpu_max(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(cfs, reads_quota_and_period) {
  EXPECT_EQ(parse_cfs("250000\n", "100000\n"), 2.5);
  EXPECT_EQ(parse_cfs("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(parse_cfs("", ""), std::nullopt);
}

TEST(places, finds_both_hierarchies) {
  const cgroup_place place = parse_places("9:name=systemd:/s\n2:cpu,cpuacct:/a/b\n3:cpuset:/c\n0::/u/v:w\n");
  EXPECT_EQ(place.cpu, "/a/b");
  EXPECT_EQ(place.unified, "/u/v:w");
  EXPECT_FALSE(parse_places("3:cpuset:/c\n").cpu);
  EXPECT_FALSE(parse_places("nonsense\n::\n").unified);
}

TEST(mounts, knows_kinds_and_escapes) {
  const cgroup_mounts mounts = parse_mounts(std::string(v2_mount) + v1_mount +
                                            "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                            "34 31 0:31 /a\\040b /m\\040n rw - cgroup2 none rw\nshort - x\n");
  ASSERT_EQ(mounts.unified.size(), 2U);
  EXPECT_EQ(mounts.unified[1].root, "/a b");
  EXPECT_EQ(mounts.unified[1].point, "/m n");
  ASSERT_EQ(mounts.cpu.size(), 1U);
  EXPECT_EQ(mounts.cpu[0].point, "/sys/fs/cgroup/cpu,cpuacct");
}

TEST(directories, go_from_the_group_to_the_mount) {
  using paths = std::vector<std::string>;
  EXPECT_EQ(directories({"/", "/m"}, "/a/b"), (paths{"/m/a/b", "/m/a", "/m"}));
  EXPECT_EQ(directories({"/", "/m"}, "/"), (paths{"/m"}));
  EXPECT_EQ(directories({"/docker/x", "/m"}, "/docker/x/y"), (paths{"/m/y", "/m"}));
  EXPECT_EQ(directories({"/docker/x", "/m"}, "/docker/xy"), (paths{"/m"}));
  EXPECT_EQ(directories({"/", "/m"}, "/../../other"), (paths{"/m"}));
}

TEST(quotas, the_least_of_all_above_counts) {
  const fake_root root;
  root.put("/proc/self/cgroup", "0::/pod/box\n");
  root.put("/proc/self/mountinfo", v2_mount);
  root.put("/sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
  root.put("/sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 1.5);
  root.put("/sys/fs/cgroup/pod/box/cpu.max", "70000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 0.7);
  root.put("/sys/fs/cgroup/pod/box/cpu.max", "");
  EXPECT_EQ(cpu_quota(root.path()), 1.5);
}

TEST(quotas, v1) {
  const fake_root root;
  root.put("/proc/self/cgroup", "2:cpu,cpuacct:/job\n");
  root.put("/proc/self/mountinfo", v1_mount);
  root.put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n");
  root.put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 3.0);
  root.put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
}

TEST(quotas, nothing_to_read_is_no_limit) {
  const fake_root root;
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  EXPECT_EQ(cpu_quota("/nowhere"), std::nullopt);
  root.put("/proc/self/cgroup", "0::/a\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
}

TEST(combine, least_of_affinity_and_quota_rounded_up_at_least_one) {
  EXPECT_EQ(combine(0, 8, std::nullopt), 8U);
  EXPECT_EQ(combine(0, 8, 1.5), 2U);
  EXPECT_EQ(combine(0, 8, 0.1), 1U);
  EXPECT_EQ(combine(0, 2, 64.0), 2U);
  EXPECT_EQ(combine(0, 0, std::nullopt), 1U);
  EXPECT_EQ(combine(5, 2, 0.5), 5U);
}

TEST(override, takes_whole_numbers_only) {
  EXPECT_EQ(parse_override("3"), 3U);
  for (const char* text : {"", "0", "-1", "two", "3 ", "3.5", " 3"}) EXPECT_EQ(parse_override(text), 0U) << text;
  EXPECT_EQ(parse_override(nullptr), 0U);
}

TEST(cpu_count, follows_affinity_environment_and_setter) {
  unsetenv("CENTIMANE_CPU_COUNT");
  const std::size_t measured = centimane::cpu_count();
  EXPECT_GE(measured, 1U);
  EXPECT_LE(measured, affinity_count());
  std::size_t confined = 0;
  std::thread([&] {  // affinity is a thread's: the test's own stays as it is
    cpu_set_t first, before;
    sched_getaffinity(0, sizeof before, &before);
    CPU_ZERO(&first);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &before)) {
        CPU_SET(i, &first);
        break;
      }
    }
    if (sched_setaffinity(0, sizeof first, &first) == 0) confined = centimane::cpu_count();
  })
      .join();
  EXPECT_EQ(confined, 1U);
  setenv("CENTIMANE_CPU_COUNT", "7", 1);
  EXPECT_EQ(centimane::cpu_count(), 7U);
  centimane::set_cpu_count(9);
  EXPECT_EQ(centimane::cpu_count(), 9U);
  centimane::set_cpu_count(0);
  EXPECT_EQ(centimane::cpu_count(), 7U);
  setenv("CENTIMANE_CPU_COUNT", "none", 1);
  EXPECT_EQ(centimane::cpu_count(), measured);
  unsetenv("CENTIMANE_CPU_COUNT");
}

}  // namespace

int main(int argc, char** argv) { return centimane::test::run_all(argc, argv); }
