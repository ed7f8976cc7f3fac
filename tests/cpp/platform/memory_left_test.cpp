// How much memory is left, out of files of our making; and pages that were written to, told and undone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "platform/cgroup.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"

namespace {

using namespace centimane::platform;
namespace fs = std::filesystem;

class fake_root {
 public:
  fake_root() {
    std::string path = (fs::temp_directory_path() / "memory-left-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
    put("/proc/meminfo", "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n");
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

constexpr std::uint64_t kib = 1024;

TEST(memory_left, of_one_group) {
  EXPECT_EQ(parse_memory_left("1000\n", "400\n", ""), 600U);
  EXPECT_EQ(parse_memory_left("1000", "400", "anon 5\ninactive_file 100\nactive_file 7\n"), 700U);
  EXPECT_EQ(parse_memory_left("1000", "400", "inactive_file 1\ntotal_inactive_file 100\n"), 700U) << "with all below";
  EXPECT_EQ(parse_memory_left("1000", "1400", ""), 0U);
  EXPECT_EQ(parse_memory_left("1000", "100", "inactive_file 900"), 1000U);
  EXPECT_EQ(parse_memory_left("max\n", "400", ""), std::nullopt);
  EXPECT_EQ(parse_memory_left("1000", "", ""), std::nullopt);
  EXPECT_EQ(parse_memory_left("", "", ""), std::nullopt);
}

TEST(memory_left, of_the_machine) {
  EXPECT_EQ(parse_available("MemTotal: 5 kB\nMemAvailable:    123 kB\n"), 123 * kib);
  EXPECT_EQ(parse_available("MemTotal: 5 kB\n"), std::nullopt);
  EXPECT_EQ(parse_available("MemAvailable: 5 MB\n"), std::nullopt);
  const fake_root root;
  EXPECT_EQ(memory_left(root.path()), 8000 * kib);
  EXPECT_EQ(memory_left("/nowhere"), UINT64_MAX);
  EXPECT_GT(memory_left(), 0U);
}

TEST(memory_left, is_the_least_of_all_groups_above) {
  const fake_root root;
  root.put("/proc/self/cgroup", "0::/outer/inner\n");
  root.put("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.put("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.put("/sys/fs/cgroup/outer/inner/memory.current", "4096\n");
  root.put("/sys/fs/cgroup/outer/memory.max", "2048000\n");
  root.put("/sys/fs/cgroup/outer/memory.current", "1024000\n");
  root.put("/sys/fs/cgroup/outer/memory.stat", "inactive_file 24000\n");
  EXPECT_EQ(memory_left(root.path()), 1'048'000U);
}

TEST(memory_left, of_the_first_hierarchy) {
  const fake_root root;
  root.put("/proc/self/cgroup", "4:memory:/box\n0::/\n");
  root.put("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  root.put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "500000\n");
  root.put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "300000\n");
  root.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "300000\n");
  EXPECT_EQ(memory_left(root.path()), 200'000U);
}

TEST(memory_left, names_the_topmost_group_that_is_killed_as_a_whole) {
  fake_root root;
  EXPECT_EQ(group_killed_whole(root.path()), "") << "no control groups at all";
  root.put("/proc/self/cgroup", "0::/pod/box\n");
  root.put("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.put("/sys/fs/cgroup/pod/box/memory.oom.group", "0\n");
  EXPECT_EQ(group_killed_whole(root.path()), "");
  root.put("/sys/fs/cgroup/pod/box/memory.oom.group", "1\n");
  EXPECT_EQ(group_killed_whole(root.path()), "/sys/fs/cgroup/pod/box");
  root.put("/sys/fs/cgroup/pod/memory.oom.group", "1\n");
  EXPECT_EQ(group_killed_whole(root.path()), "/sys/fs/cgroup/pod");
}

TEST(mapping, undoes_what_was_written_to_a_copy) {
  constexpr std::size_t size = 1 << 20;
  const fd memory = make_memory("test", size);
  const std::vector<std::byte> first(size, std::byte{1}), second(size, std::byte{2});
  write_memory(memory.get(), 0, first);
  mapping copy(memory.get(), size, access::copy);
  EXPECT_EQ(std::memcmp(copy.data(), first.data(), size), 0);
  copy.data()[5000] = std::byte{9};
  write_memory(memory.get(), 0, second);
  EXPECT_EQ(copy.data()[5000], std::byte{9}) << "written to: our own";
  EXPECT_EQ(copy.data()[9000], std::byte{2}) << "not written to: the memory's";
  EXPECT_TRUE(undo_changes(copy.data(), size));
  EXPECT_EQ(std::memcmp(copy.data(), second.data(), size), 0);
  EXPECT_TRUE(undo_changes(copy.data(), size)) << "nothing to undo";
  EXPECT_EQ(std::memcmp(copy.data(), second.data(), size), 0);
}

TEST(mapping, a_readable_descriptor_cannot_write) {
  const fd memory = make_memory("test", 65536);
  const fd reading = readable_only(memory.get());
  EXPECT_THROW(mapping(reading.get(), 65536, access::write), std::system_error);
  mapping copy(reading.get(), 65536, access::copy);
  copy.data()[0] = std::byte{3};
  EXPECT_EQ(mapping(memory.get(), 65536, access::read).data()[0], std::byte{0});
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
