#include "platform/claimed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>

#include "platform/fork_generation.hpp"

namespace centimane::platform {
namespace {

/// Behind all that a file may hold, and all that SQLite locks. The Python face locks the same byte.
constexpr off_t lock_byte = off_t{1} << 62;

struct claims {
  std::mutex lock;
  std::uint32_t generation = fork_generation();
  std::set<std::pair<std::uint64_t, std::uint64_t>> files;
};
claims& all() {
  static auto& c = *new claims;
  return c;
}

std::pair<std::uint64_t, std::uint64_t> identity(const struct stat& s) {
  return {static_cast<std::uint64_t>(s.st_dev), static_cast<std::uint64_t>(s.st_ino)};
}

}  // namespace

claim claimed_file::take(const std::string& path) {
  claims& c = all();
  const std::lock_guard held(c.lock);
  if (c.generation != fork_generation()) {  // what the parent has claimed is not claimed here
    c.generation = fork_generation();
    c.files.clear();
  }
  constexpr int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  fd file(::open(path.c_str(), how | O_CREAT | O_EXCL, 0600));
  struct stat found {};
  if (!file) {
    if (errno != EEXIST || ::lstat(path.c_str(), &found) != 0) return claim::failed;
    if (!S_ISREG(found.st_mode)) return claim::not_plain;
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) return claim::others_write;
    if (c.files.contains(identity(found))) return claim::in_use_here;
    file = fd(::open(path.c_str(), how));
    if (!file) return claim::failed;
  }
  struct flock byte {};
  byte.l_type = F_WRLCK;
  byte.l_whence = SEEK_SET;
  byte.l_start = lock_byte;
  byte.l_len = 1;
  if (::fcntl(file.get(), F_SETLK, &byte) != 0) {
    return errno == EACCES || errno == EAGAIN ? claim::in_use_elsewhere : claim::failed;
  }
  if (::fstat(file.get(), &found) != 0) return claim::failed;
  who_ = identity(found);
  born_ = c.generation;
  c.files.insert(*who_);
  file_ = std::move(file);
  return claim::taken;
}

void claimed_file::release() noexcept {
  if (!who_) return;
  claims& c = all();
  const std::lock_guard held(c.lock);
  if (born_ == fork_generation()) c.files.erase(*who_);
  who_.reset();
  file_.reset();
}

std::optional<std::uint64_t> plain_file_size(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return std::nullopt;
  errno = 0;
  if (!S_ISREG(found.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(found.st_size);
}

bool file_exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

}  // namespace centimane::platform
