#include "platform/new_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "platform/fault.hpp"
#include "platform/fork_generation.hpp"

namespace centimane::platform {
namespace {

constexpr std::size_t enough = 64 * 1024;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "centimane: " + what);
}

/// Where a symbolic link leads: the file it names is replaced, not the link.
std::string target_of(const std::string& path) {
  struct free_it {
    void operator()(char* p) const noexcept { std::free(p); }  // NOLINT(cppcoreguidelines-no-malloc): realpath's
  };
  const std::unique_ptr<char, free_it> real(::realpath(path.c_str(), nullptr));
  return real ? std::string(real.get()) : path;
}

}  // namespace

new_file::new_file(const std::string& path) : born_(fork_generation()) {
  const std::string place = target_of(path);
  const std::size_t slash = place.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : place.substr(0, slash);
  name_ = slash == std::string::npos ? place : place.substr(slash + 1);
  const std::string what = "cannot write " + path;
  if (name_.empty() || path.find('\0') != std::string::npos) fail(name_.empty() ? EISDIR : EINVAL, what);
  directory_ = fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) fail(errno, what);
  struct stat there {};
  if (::fstatat(directory_.get(), name_.c_str(), &there, 0) == 0) {
    if (S_ISDIR(there.st_mode)) fail(EISDIR, what);
    if (!S_ISREG(there.st_mode)) fail(EINVAL, what + ": it is no regular file");
    if (::faccessat(directory_.get(), name_.c_str(), W_OK, AT_EACCESS) != 0) fail(errno, what);
  }
  for (unsigned n = 0;; ++n) {
    temporary_ =
        "." + name_.substr(0, NAME_MAX - 40) + "." + std::to_string(::getpid()) + "-" + std::to_string(n) + ".part";
    file_ = fd(::openat(directory_.get(), temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file_) return;
    if (errno != EEXIST) fail(errno, what);
  }
}

new_file::~new_file() {
  if (file_ && fork_generation() == born_) drop();
}

void new_file::drop() noexcept {
  file_.reset();
  ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void new_file::write(std::string_view text) {
  kept_ += text;
  if (kept_.size() >= enough) flush();
}

void new_file::flush() {
  for (std::size_t done = 0; done < kept_.size();) {
    ssize_t n = -1;
    if (int e = CENTIMANE_FAULT_ERRNO("new_file.write")) {
      errno = e;
    } else {
      n = ::write(file_.get(), kept_.data() + done, kept_.size() - done);
    }
    if (n < 0 && errno != EINTR) fail(errno, "cannot write " + name_);
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  kept_.clear();
}

void new_file::finish() {
  flush();
  file_.reset();
  if (::renameat(directory_.get(), temporary_.c_str(), directory_.get(), name_.c_str()) != 0) {
    const int error = errno;
    drop();
    fail(error, "cannot write " + name_);
  }
}

std::int64_t this_process() noexcept { return ::getpid(); }

}  // namespace centimane::platform
