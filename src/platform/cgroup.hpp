// The CPU time and the memory that control groups leave us. Parsing is apart from reading, and reading starts at a root
// that tests replace. Whatever is missing or malformed means "no limit".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace centimane::platform {

/// In processors: 1.5 is one and a half. None: unlimited.
using quota = std::optional<double>;

/// "max 100000", "150000 100000", "150000" (the period is 100000 then), "".
quota parse_cpu_max(std::string_view text);
/// cpu.cfs_quota_us and cpu.cfs_period_us; a quota of -1 is none.
quota parse_cfs(std::string_view quota_us, std::string_view period_us);

/// Where this process is in the hierarchies, out of /proc/self/cgroup.
struct cgroup_place {
  std::optional<std::string> unified;  ///< "0::/path"
  std::optional<std::string> cpu;      ///< v1: the path of the hierarchy with the controller "cpu"
  std::optional<std::string> memory;   ///< v1: the same for "memory"
};
cgroup_place parse_places(std::string_view proc_self_cgroup);

/// Where a hierarchy is mounted, out of /proc/self/mountinfo.
struct cgroup_mount {
  std::string root;  ///< which group the mount point shows
  std::string point;
};
struct cgroup_mounts {
  std::vector<cgroup_mount> unified, cpu, memory;
};
cgroup_mounts parse_mounts(std::string_view proc_self_mountinfo);

/// The directories from the group up to the mount point, under which its limits are found. `path` as in
/// /proc/self/cgroup.
std::vector<std::string> directories(const cgroup_mount& mount, std::string_view path);

/// The least quota of our group and all above it. `root` goes in front of every path that is read.
quota cpu_quota(const std::string& root = {});

/// How many bytes a group may still take: its limit less what it uses, where cached files that the kernel would drop
/// first do not count as used. The three texts of one group: memory.max or memory.limit_in_bytes, memory.current or
/// memory.usage_in_bytes, memory.stat.
std::optional<std::uint64_t> parse_memory_left(std::string_view limit, std::string_view used, std::string_view stat);
/// MemAvailable of /proc/meminfo, in bytes.
std::optional<std::uint64_t> parse_available(std::string_view meminfo);
/// How many bytes this process may still touch before it, or a group above it, is killed for it: the least of the
/// machine and of all groups. UINT64_MAX if nothing tells. Some ten small files are read: 50 to 200 µs.
std::uint64_t memory_left(const std::string& root = {});

/// The group, ours or one above it, whose processes the kernel kills all together when its memory runs out
/// (memory.oom.group, as Kubernetes sets it): the driver would not outlive a worker's greed. The topmost such group,
/// as it is seen from here; empty if there is none.
std::string group_killed_whole(const std::string& root = {});

}  // namespace centimane::platform
