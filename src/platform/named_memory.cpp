#include "platform/named_memory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include "platform/clock.hpp"
#include "platform/family.hpp"
#include "platform/fault.hpp"

namespace centimane::platform {
namespace {

constexpr char folder[] = "/dev/shm";
constexpr std::string_view note_prefix = "centimane.";
/// Room is taken in pieces: a signal undoes the piece that it interrupts. Where signals come often, in small ones.
constexpr off_t largest_piece = off_t{64} << 20, least_piece = off_t{256} << 10;
/// How often other families' leavings are looked for on the way: folders may be long.
constexpr std::int64_t between_sweeps = 100'000'000;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "centimane: shared memory " + what);
}

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

/// shm_open's rules: slashes in front do not count, none may follow.
std::string path_of(const std::string& name) {
  const std::size_t begin = std::min(name.find_first_not_of('/'), name.size());
  const std::string bare = name.substr(begin);
  const bool good = !bare.empty() && bare != "." && bare != ".." && bare.find('/') == std::string::npos &&
                    bare.find('\0') == std::string::npos;
  if (!good) fail(EINVAL, quoted(name) + ": a name has at least one character, and none of them is '/' or NUL");
  if (bare.size() > NAME_MAX) fail(ENAMETOOLONG, quoted(name) + ": a name has at most 255 bytes");
  return std::string(folder) + '/' + bare;
}

std::string in_folder(std::string_view name) { return std::string(folder) + '/' + std::string(name); }

/// Processes of another namespace have numbers of their own, and nothing tells here whether they live.
std::uint64_t pid_namespace() noexcept {
  struct stat about {};
  return ::stat("/proc/self/ns/pid", &about) == 0 ? about.st_ino : 0;
}

struct note {
  std::uint64_t space;
  process_identity root;
  std::uint64_t inode;

  [[nodiscard]] std::string name() const {
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "centimane.%llx.%d.%x.%llx", static_cast<unsigned long long>(space),
                  root.pid, root.start, static_cast<unsigned long long>(inode));
    return text.data();
  }
  static bool read(const char* name, note& into) noexcept {
    unsigned long long space = 0, inode = 0;
    int pid = 0, end = 0;
    unsigned start = 0;
    if (std::sscanf(name, "centimane.%llx.%d.%x.%llx%n", &space, &pid, &start, &inode, &end) != 4) return false;
    if (name[end] != '\0') return false;
    into = {space, {pid, start}, inode};
    return true;
  }
};

note note_here(std::uint64_t inode) { return {pid_namespace(), family_root(), inode}; }

/// The notes in the folder that `wanted` accepts and that are this user's: another's lead where he likes.
template <class Wanted>
std::vector<note> notes(Wanted wanted) {
  std::vector<note> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder), &::closedir);
  if (!listing) return found;
  while (const dirent* entry = ::readdir(listing.get())) {
    note it{};
    if (!std::string_view(entry->d_name).starts_with(note_prefix) || !note::read(entry->d_name, it)) continue;
    struct stat about {};
    if (!wanted(it) || ::lstat(in_folder(entry->d_name).c_str(), &about) != 0) continue;
    if (S_ISLNK(about.st_mode) && about.st_uid == ::geteuid()) found.push_back(it);
  }
  return found;
}

/// Takes away the memory that a note of a root that has ended leads to, and the note; not what somebody has open.
void bury(const note& what) noexcept {
  const std::string at = in_folder(what.name());
  std::array<char, NAME_MAX + 1> name{};
  const ssize_t n = ::readlink(at.c_str(), name.data(), name.size() - 1);
  if (n <= 0) return;
  if (std::memchr(name.data(), '/', static_cast<std::size_t>(n)) == nullptr) {
    const std::string path = in_folder(std::string_view(name.data(), static_cast<std::size_t>(n)));
    const fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat about {};
    const bool same = file && ::fstat(file.get(), &about) == 0 && S_ISREG(about.st_mode) &&
                      about.st_uid == ::geteuid() && about.st_ino == what.inode;
    if (same) {
      if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return;
      ::unlink(path.c_str());
      CENTIMANE_FAULT("named_memory.swept");
    }
  }
  ::unlink(at.c_str());
}

/// What the family made goes with its root. Copies of the root, and workers, end without it.
void end_family() noexcept try {
  if (!is_family_root()) return;
  const std::uint64_t space = pid_namespace();
  const process_identity self = this_process_identity();
  for (const note& it : notes([&](const note& n) { return n.space == space && n.root == self; })) bury(it);
} catch (const std::exception&) {  // no memory: the next of us takes it away
}

struct at_the_end {
  ~at_the_end() { end_family(); }
};
[[maybe_unused]] const at_the_end end_of_the_program;

void sweep_now_and_then() noexcept {
  static std::atomic<std::int64_t> last{INT64_MIN};
  std::int64_t before = last.load(std::memory_order_relaxed);
  const std::int64_t time = now();
  if (before != INT64_MIN && time - before < between_sweeps) return;
  if (last.compare_exchange_strong(before, time, std::memory_order_relaxed)) sweep_memory();
}

/// A file without a name, where the file system has such; else nothing.
fd nameless() {
  if (const int refused = CENTIMANE_FAULT_ERRNO("named_memory.nameless")) {
    errno = refused;
    return {};
  }
  return fd(::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

void take_room(int file, std::size_t size, const std::string& name) {
  const auto whole = static_cast<off_t>(size);
  if (::ftruncate(file, whole) != 0) fail(errno, quoted(name) + " cannot be sized");
  off_t most = largest_piece;
  for (off_t at = 0; at < whole;) {
    const off_t length = std::min(most, whole - at);
    int refused = CENTIMANE_FAULT_ERRNO("named_memory.room");
    if (refused == 0 && ::fallocate(file, 0, at, length) != 0) refused = errno;
    if (refused == EINTR) {
      most = std::max(least_piece, most / 2);
      continue;
    }
    if (refused == EOPNOTSUPP) return;  // pages come as they are touched
    if (refused != 0) fail(refused, quoted(name) + " of " + std::to_string(size) + " bytes finds no room in /dev/shm");
    at += length;
  }
}

std::uint64_t inode_of(int file, const std::string& name) {
  struct stat about {};
  if (::fstat(file, &about) != 0) fail(errno, quoted(name) + " cannot be looked at");
  return about.st_ino;
}

void leave_note(std::uint64_t inode, const std::string& path, const std::string& name) {
  // Relative: it leads to the file beside it.
  const std::string target = path.substr(sizeof folder);
  if (::symlink(target.c_str(), in_folder(note_here(inode).name()).c_str()) != 0 && errno != EEXIST)
    fail(errno, quoted(name) + " cannot be noted in /dev/shm");
}

void take_note_away(std::uint64_t inode) noexcept {
  if (::unlink(in_folder(note_here(inode).name()).c_str()) == 0) return;
  // Made by another family, or not tracked.
  const std::uint64_t space = pid_namespace();
  for (const note& it : notes([&](const note& n) { return n.space == space && n.inode == inode; }))
    ::unlink(in_folder(it.name()).c_str());
}

}  // namespace

named_memory& named_memory::operator=(named_memory&& other) noexcept {
  if (this != &other) {
    close();
    map_ = std::move(other.map_);
    lock_ = std::move(other.lock_);
    inode_ = other.inode_;
  }
  return *this;
}

named_memory named_memory::create(const std::string& name, std::size_t size, bool tracked) {
  const std::string path = path_of(name);
  if (size > static_cast<std::size_t>(PTRDIFF_MAX)) fail(EFBIG, quoted(name) + " would be larger than any memory");
  sweep_now_and_then();
  struct stat about {};
  if (::lstat(path.c_str(), &about) == 0) fail(EEXIST, quoted(name) + " exists already");
  fd file = nameless();
  bool named = false;
  if (!file && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    file = fd(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
    named = static_cast<bool>(file);
  }
  if (!file) fail(errno, quoted(name) + " cannot be made in /dev/shm");
  named_memory made;
  made.inode_ = inode_of(file.get(), name);
  try {
    if (!named) take_room(file.get(), size, name);
    if (tracked) leave_note(made.inode_, path, name);
    CENTIMANE_FAULT("named_memory.noted");
    if (named) {
      take_room(file.get(), size, name);
    } else {
      std::array<char, 32> self{};
      std::snprintf(self.data(), self.size(), "/proc/self/fd/%d", file.get());
      if (::linkat(AT_FDCWD, self.data(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
        fail(errno, quoted(name) + (errno == EEXIST ? " exists already" : " cannot be given its name"));
      named = true;
    }
    CENTIMANE_FAULT("named_memory.named");
    made.map_ = mapping(file.get(), size, access::write);
  } catch (...) {
    if (named) ::unlink(path.c_str());
    if (tracked) take_note_away(made.inode_);
    throw;
  }
  return made;
}

named_memory named_memory::open(const std::string& name) {
  const std::string path = path_of(name);
  sweep_now_and_then();
  fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ELOOP || errno == EISDIR || errno == ENXIO) fail(EACCES, quoted(name) + " is no plain file");
    fail(errno, quoted(name) + (errno == ENOENT ? " does not exist" : " cannot be opened"));
  }
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) fail(errno, quoted(name) + " cannot be looked at");
  if (!S_ISREG(about.st_mode)) fail(EACCES, quoted(name) + " is no plain file");
  if (about.st_uid != ::geteuid()) fail(EACCES, quoted(name) + " belongs to another user");
  named_memory made;
  made.inode_ = about.st_ino;
  struct stat unused {};
  const bool of_the_family = ::lstat(in_folder(note_here(made.inode_).name()).c_str(), &unused) == 0;
  if (!of_the_family) {
    // A sweep holds it for a moment. A stranger's lock is the stranger's affair: it does not keep us out.
    for (int turns = 1000; ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && turns > 0; --turns) ::sched_yield();
    if (::fstat(file.get(), &about) != 0 || about.st_nlink == 0) fail(ENOENT, quoted(name) + " does not exist");
  }
  if (about.st_size <= 0) throw std::invalid_argument("centimane: shared memory " + quoted(name) + " is empty");
  made.map_ = mapping(file.get(), static_cast<std::size_t>(about.st_size), access::write);
  if (!of_the_family) made.lock_ = std::move(file);
  return made;
}

void named_memory::close() noexcept {
  map_ = {};
  if (!lock_) return;
  lock_.reset();
  // Its family may have ended meanwhile, and left it to us.
  sweep_memory();
}

void unlink_memory(const std::string& name, std::uint64_t inode) {
  const std::string path = path_of(name);
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) fail(errno, quoted(name) + " does not exist");
  if (about.st_ino != inode) fail(ENOENT, quoted(name) + " does not exist any more: its name is another's by now");
  if (::unlink(path.c_str()) != 0) fail(errno, quoted(name) + " cannot be unlinked");
  CENTIMANE_FAULT("named_memory.unlinked");
  take_note_away(inode);
}

void sweep_memory() noexcept try {
  const std::uint64_t space = pid_namespace();
  process_identity asked = this_process_identity();
  bool lives = true;
  const auto of_the_dead = [&](const note& it) {
    if (it.space != space) return false;
    if (it.root != asked) {
      asked = it.root;
      lives = is_alive(asked);
    }
    return !lives;
  };
  for (const note& it : notes(of_the_dead)) bury(it);
} catch (const std::exception&) {  // no memory: another time
}

}  // namespace centimane::platform
