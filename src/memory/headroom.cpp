#include "memory/headroom.hpp"

#include "platform/cgroup.hpp"

namespace centimane::memory {
namespace {

constexpr std::int64_t holds_for = 100'000'000;
/// One part in so many is left alone: others allocate meanwhile, and the kernel's own tables cost something too.
constexpr std::uint64_t margin = 16;

}  // namespace

bool headroom::take(std::uint64_t bytes, std::int64_t now) {
  const bool old = looked_ == INT64_MIN || now - looked_ > holds_for;
  if (old || bytes > granted_) {
    left_ = platform::memory_left();
    looked_ = now;
    granted_ = left_ / margin;
    if (bytes > left_ - left_ / margin) return false;
  }
  granted_ -= bytes < granted_ ? bytes : granted_;
  return true;
}

}  // namespace centimane::memory
