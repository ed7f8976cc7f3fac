#include "platform/cgroup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>

#include "platform/fd.hpp"

namespace centimane::platform {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t from = text.find_first_not_of(blank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blank) - from + 1);
}

std::optional<std::int64_t> number(std::string_view text) {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

quota ratio(std::optional<std::int64_t> part, std::optional<std::int64_t> whole) {
  if (!part || !whole || *part <= 0 || *whole <= 0) return std::nullopt;
  return static_cast<double>(*part) / static_cast<double>(*whole);
}

/// Calls take(line) for each line.
template <class Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    take(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> split(std::string_view line, char by) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = line.find(by);
    parts.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return parts;
    line.remove_prefix(end + 1);
  }
}

bool lists(std::string_view commas, std::string_view word) {
  const std::vector<std::string_view> all = split(commas, ',');
  return std::find(all.begin(), all.end(), word) != all.end();
}

/// mountinfo writes blanks in paths as \040 and the like.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// A small file's text; nothing if it cannot be read.
std::optional<std::string> read_all(const std::string& path) {
  const fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

void least(quota& of, quota other) {
  if (other && (!of || *other < *of)) of = other;
}

}  // namespace

quota parse_cpu_max(std::string_view text) {
  text = trimmed(text);
  const std::size_t blank = text.find(' ');
  const std::string_view period = blank == std::string_view::npos ? std::string_view("100000") : text.substr(blank);
  return ratio(number(text.substr(0, blank)), number(period));  // "max" is no number
}

quota parse_cfs(std::string_view quota_us, std::string_view period_us) {
  return ratio(number(quota_us), number(period_us));
}

cgroup_place parse_places(std::string_view proc_self_cgroup) {
  cgroup_place place;
  each_line(proc_self_cgroup, [&](std::string_view line) {  // number:controllers:path
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) return;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controllers.empty() && line.substr(0, first) == "0") place.unified = path;
    if (lists(controllers, "cpu")) place.cpu = path;
    if (lists(controllers, "memory")) place.memory = path;
  });
  return place;
}

cgroup_mounts parse_mounts(std::string_view proc_self_mountinfo) {
  cgroup_mounts mounts;
  each_line(proc_self_mountinfo, [&](std::string_view line) {
    // id parent device root point options … - type source super-options
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) return;
    const std::vector<std::string_view> before = split(line.substr(0, dash), ' ');
    const std::vector<std::string_view> after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) return;
    const cgroup_mount mount{unescaped(before[3]), unescaped(before[4])};
    if (after[0] == "cgroup2") mounts.unified.push_back(mount);
    if (after[0] == "cgroup" && lists(after[2], "cpu")) mounts.cpu.push_back(mount);
    if (after[0] == "cgroup" && lists(after[2], "memory")) mounts.memory.push_back(mount);
  });
  return mounts;
}

std::vector<std::string> directories(const cgroup_mount& mount, std::string_view path) {
  // A mount shows the tree from `root` on. A path outside of it (a bind mount, another namespace: "/..") is not to be
  // seen: only what is at the mount point is.
  std::string_view below = path;
  if (mount.root != "/") {
    const bool inside = path.substr(0, mount.root.size()) == mount.root &&
                        (path.size() == mount.root.size() || path[mount.root.size()] == '/');
    below = inside ? path.substr(mount.root.size()) : std::string_view();
  }
  if (below.substr(0, 3) == "/..") below = {};
  while (!below.empty() && below.back() == '/') below.remove_suffix(1);
  std::vector<std::string> all;
  for (;;) {
    all.push_back(mount.point + std::string(below));
    if (below.empty()) return all;
    const std::size_t slash = below.rfind('/');
    below = slash == std::string_view::npos ? std::string_view() : below.substr(0, slash);
  }
}

quota cpu_quota(const std::string& root) {
  quota least_of_all;
  const cgroup_place place = parse_places(read_all(root + "/proc/self/cgroup").value_or(""));
  const cgroup_mounts mounts = parse_mounts(read_all(root + "/proc/self/mountinfo").value_or(""));
  if (place.unified) {
    for (const cgroup_mount& mount : mounts.unified) {
      for (const std::string& at : directories(mount, *place.unified)) {
        if (const auto text = read_all(root + at + "/cpu.max")) least(least_of_all, parse_cpu_max(*text));
      }
    }
  }
  if (place.cpu) {
    for (const cgroup_mount& mount : mounts.cpu) {
      for (const std::string& at : directories(mount, *place.cpu)) {
        const auto part = read_all(root + at + "/cpu.cfs_quota_us");
        const auto whole = read_all(root + at + "/cpu.cfs_period_us");
        if (part && whole) least(least_of_all, parse_cfs(*part, *whole));
      }
    }
  }
  return least_of_all;
}

std::optional<std::uint64_t> parse_memory_left(std::string_view limit, std::string_view used, std::string_view stat) {
  const std::optional<std::int64_t> most = number(limit), taken = number(used);  // "max" is no number
  if (!most || !taken || *most < 0 || *taken < 0) return std::nullopt;
  std::int64_t cached = 0;
  each_line(stat, [&](std::string_view line) {
    // In the first hierarchy a group's own number comes first, and the one that counts with all below it later.
    for (const std::string_view name : {"inactive_file ", "total_inactive_file "}) {
      if (line.substr(0, name.size()) == name) cached = number(line.substr(name.size())).value_or(0);
    }
  });
  const std::int64_t held = std::max<std::int64_t>(0, *taken - std::max<std::int64_t>(0, cached));
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *most - held));
}

std::optional<std::uint64_t> parse_available(std::string_view meminfo) {
  std::optional<std::uint64_t> left;
  each_line(meminfo, [&](std::string_view line) {
    constexpr std::string_view name = "MemAvailable:", unit = "kB";
    if (line.substr(0, name.size()) != name) return;
    line = trimmed(line.substr(name.size()));
    if (line.size() < unit.size() || line.substr(line.size() - unit.size()) != unit) return;
    const std::optional<std::int64_t> kilobytes = number(line.substr(0, line.size() - unit.size()));
    if (kilobytes && *kilobytes >= 0) left = static_cast<std::uint64_t>(*kilobytes) * 1024;
  });
  return left;
}

std::uint64_t memory_left(const std::string& root) {
  std::uint64_t left = parse_available(read_all(root + "/proc/meminfo").value_or("")).value_or(UINT64_MAX);
  const cgroup_place place = parse_places(read_all(root + "/proc/self/cgroup").value_or(""));
  const cgroup_mounts mounts = parse_mounts(read_all(root + "/proc/self/mountinfo").value_or(""));
  const auto look = [&](const std::vector<cgroup_mount>& where, const std::string& path, const char* limit,
                        const char* used) {
    for (const cgroup_mount& mount : where) {
      for (const std::string& at : directories(mount, path)) {
        const auto most = read_all(root + at + limit);
        if (!most) continue;
        const auto here = parse_memory_left(*most, read_all(root + at + used).value_or(""),
                                            read_all(root + at + "/memory.stat").value_or(""));
        if (here) left = std::min(left, *here);
      }
    }
  };
  if (place.unified) look(mounts.unified, *place.unified, "/memory.max", "/memory.current");
  if (place.memory) look(mounts.memory, *place.memory, "/memory.limit_in_bytes", "/memory.usage_in_bytes");
  return left;
}

std::string group_killed_whole(const std::string& root) {
  std::string topmost;
  const cgroup_place place = parse_places(read_all(root + "/proc/self/cgroup").value_or(""));
  if (!place.unified) return topmost;
  const cgroup_mounts mounts = parse_mounts(read_all(root + "/proc/self/mountinfo").value_or(""));
  for (const cgroup_mount& mount : mounts.unified) {
    for (const std::string& at : directories(mount, *place.unified)) {
      const auto together = read_all(root + at + "/memory.oom.group");
      if (together && number(*together) == 1) topmost = at;
    }
  }
  return topmost;
}

}  // namespace centimane::platform
