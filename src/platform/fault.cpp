#include "platform/fault.hpp"

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS

#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <new>

namespace centimane::platform::fault {
namespace {

constinit std::atomic<point*> first{nullptr};  // before any point, whatever the order of initialisation

struct order {
  std::string_view name;
  std::uint64_t nth = 0;
  action what = action::none;
  int value = 0;
};

std::string_view cut(std::string_view& rest, char at) {
  const std::size_t end = rest.find(at);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return part;
}

template <class Number>
bool number(std::string_view text, Number& out) {
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc{} && stop == end;
}

bool parse(std::string_view text, order& out) {
  out.name = cut(text, ':');
  if (out.name.empty() || !number(cut(text, ':'), out.nth) || out.nth == 0) return false;
  const std::string_view what = cut(text, '=');
  const bool valued = !text.empty();
  if (valued && !number(text, out.value)) return false;
  if (what == "kill") out.what = action::kill;
  if (what == "stop") out.what = action::stop;
  if (what == "delay") out.what = action::delay;
  if (what == "errno") out.what = action::error;
  if (what == "exit") out.what = action::exit;
  return out.what != action::none && valued == (out.what != action::kill && out.what != action::stop);
}

}  // namespace

point::point(const char* name) noexcept : name_(name), next_(first.load(std::memory_order_relaxed)) {
  while (!first.compare_exchange_weak(next_, this)) {
  }
  const char* wanted = std::getenv("CENTIMANE_FAULT_POINT");
  if (wanted == nullptr) return;
  for (std::string_view rest = wanted; !rest.empty();) {
    order o;
    if (parse(cut(rest, ','), o) && o.name == name_) arm(o.nth, o.what, o.value);
  }
}

void point::arm(std::uint64_t nth, action what, int value) noexcept {
  what_.store(what, std::memory_order_relaxed);
  value_.store(value, std::memory_order_relaxed);
  left_.store(nth, std::memory_order_relaxed);
}

int point::act() noexcept {
  std::uint64_t left = left_.load(std::memory_order_relaxed);
  do {
    if (left == 0) return 0;
  } while (!left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed));
  if (left != 1) return 0;
  const int value = value_.load(std::memory_order_relaxed);
  switch (what_.load(std::memory_order_relaxed)) {
    case action::none:
      break;
    case action::kill:
      ::kill(::getpid(), SIGKILL);
      break;
    case action::stop:
      ::kill(::getpid(), SIGSTOP);
      break;
    case action::exit:
      ::_exit(value);
    case action::error:
      return value;
    case action::delay: {
      timespec rest{value / 1000, static_cast<long>(value % 1000) * 1'000'000};
      while (::nanosleep(&rest, &rest) != 0) {
      }
      break;
    }
  }
  return 0;
}

std::vector<point*> points() {
  std::vector<point*> all;
  for (point* p = first.load(std::memory_order_acquire); p != nullptr; p = p->next_) all.push_back(p);
  return all;
}

point* find(std::string_view name) {
  for (point* p : points())
    if (p->name() == name) return p;
  return nullptr;
}

void disarm_all() {
  for (point* p : points()) p->disarm();
}

void share_counts() {
  const std::vector<point*> all = points();
  const std::size_t size = all.size() * sizeof(std::atomic<std::uint64_t>);
  void* at = ::mmap(nullptr, size == 0 ? 1 : size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  auto* counts =
      static_cast<std::atomic<std::uint64_t>*>(at);  // never unmapped: points may be reached until the very end
  for (std::size_t k = 0; k < all.size(); ++k) {
    auto* mine = new (counts + k) std::atomic<std::uint64_t>(all[k]->count());
    all[k]->count_ = mine;
  }
}

bool arm(std::string_view text) {
  bool good = !text.empty();
  while (!text.empty()) {
    order o;
    point* p = parse(cut(text, ','), o) ? find(o.name) : nullptr;
    if (p == nullptr)
      good = false;
    else
      p->arm(o.nth, o.what, o.value);
  }
  return good;
}

}  // namespace centimane::platform::fault

#endif
