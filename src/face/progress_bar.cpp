// A bar on stderr. It allocates a line a redraw, at most ten a second; the other calls cost a comparison.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "centimane/progress.hpp"

namespace centimane {
inline namespace v0 {
namespace {

using std::chrono::nanoseconds;

std::string clock_text(nanoseconds t) {
  auto s = std::chrono::duration_cast<std::chrono::seconds>(t).count();
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(s / 3600),
                  static_cast<long long>(s / 60 % 60), static_cast<long long>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%02lld:%02lld", static_cast<long long>(s / 60), static_cast<long long>(s % 60));
  }
  return text;
}

class bar {
 public:
  void show(const progress& p) {
    const bool done = p.total && p.completed >= *p.total;
    if (terminal_ ? !(done || first_ || p.elapsed - last_ >= redraw) : !(done || tenth(p) > tenth_)) return;
    first_ = false;
    last_ = p.elapsed;
    tenth_ = tenth(p);
    std::string line = text(p);
    if (terminal_) {
      line.insert(0, "\r\x1b[K");
      if (done) line += '\n';
    } else {
      line += '\n';
    }
    // One write: lines of others may come between two bars, never into one.
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }
  ~bar() {
    if (terminal_ && !first_) [[maybe_unused]]
      auto written = ::write(STDERR_FILENO, ended_ ? "" : "\n", ended_ ? 0 : 1);
  }

 private:
  static constexpr nanoseconds redraw = std::chrono::milliseconds(100);

  /// Without a total: each time the count has doubled.
  static std::size_t tenth(const progress& p) {
    if (p.total) return *p.total == 0 ? 10 : p.completed * 10 / *p.total;
    std::size_t k = 0;
    for (std::size_t n = p.completed; n > 1; n /= 2) ++k;
    return k;
  }

  std::string text(const progress& p) {
    std::string s;
    if (p.total) {
      const std::size_t total = std::max<std::size_t>(*p.total, 1), percent = p.completed * 100 / total;
      s = std::to_string(percent) + "% ";
      s.insert(0, s.size() < 5 ? 5 - s.size() : 0, ' ');
      if (terminal_) {
        const std::size_t width = 30, full = p.completed * width / total;
        s += "|" + std::string(full, '#') + std::string(width - std::min(full, width), ' ') + "| ";
      }
      s += std::to_string(p.completed) + "/" + std::to_string(*p.total);
      ended_ = p.completed >= *p.total;
    } else {
      s = std::to_string(p.completed);
    }
    if (p.failed != 0) s += ", " + std::to_string(p.failed) + " failed";
    s += " [" + clock_text(p.elapsed);
    const double seconds = std::chrono::duration<double>(p.elapsed).count();
    if (p.completed != 0 && seconds > 0) {
      if (p.total && p.completed < *p.total) {
        const double left = seconds * static_cast<double>(*p.total - p.completed) / static_cast<double>(p.completed);
        s += "<" +
             clock_text(std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(std::min(left, 1e8))));
      }
      char rate[48];
      std::snprintf(rate, sizeof rate, ", %.4g items/s", static_cast<double>(p.completed) / seconds);
      s += rate;
    }
    return s + "]";
  }

  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool first_ = true, ended_ = false;
  std::size_t tenth_ = 0;
  nanoseconds last_{};
};

}  // namespace

std::function<void(const progress&)> progress_bar() {
  return [b = std::make_shared<bar>()](const progress& p) { b->show(p); };
}

}  // namespace v0
}  // namespace centimane
