#include "run/insights.hpp"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace centimane::engine {
namespace {

constexpr std::size_t most_slow = 10;

bool slower(const slow_item& a, const slow_item& b) { return a.time > b.time; }

std::chrono::nanoseconds span_of(nanos n) { return std::chrono::nanoseconds(std::max<nanos>(n, 0)); }

}  // namespace

phase_times sane(phase_times t, nanos from, nanos to) noexcept {
  if (t.ran == 0) t.ran = t.written;
  if (t.running == 0) t.running = t.ran;
  nanos at = from;
  for (nanos* each : {&t.opened, &t.running, &t.ran, &t.written}) at = *each = std::max(at, std::min(*each, to));
  return t;
}

void ledger::tell(const happening& what) {
  switch (what.what) {
    case happening::attempt_ended:
      attempt(what);
      break;
    case happening::worker_started: {
      lane& l = at(what.worker);
      l.pid = what.pid;
      ++l.processes;
      l.there_since = std::max(begun_, what.at);
      if (what.from != 0) l.start_up += std::max<nanos>(0, what.at - what.from);
      break;
    }
    case happening::worker_died:
    case happening::worker_recycled: {
      lane& l = at(what.worker);
      if (l.there_since != 0) l.there += std::max<nanos>(0, what.at - l.there_since);
      l.there_since = 0;
      break;
    }
    default:
      break;
  }
}

void ledger::attempt(const happening& what) {
  if (what.worker < 0) return;
  lane& l = at(what.worker);
  l.attempts += what.count;
  if (what.final) l.items += what.count;
  if (what.times.written == 0) return;
  const phase_times& t = what.times;
  l.busy += t.written - t.opened;
  l.running += t.ran - t.running;
  l.serialisation += (t.running - t.opened) + (t.written - t.ran);
  note_slow(what);
}

void ledger::note_slow(const happening& what) {
  const slow_item one{static_cast<std::size_t>(what.item), what.attempt, what.worker,
                      std::chrono::nanoseconds(what.times.ran - what.times.running)};
  if (slowest_.size() == most_slow) {
    if (one.time <= slowest_.front().time) return;
    std::pop_heap(slowest_.begin(), slowest_.end(), slower);
    slowest_.pop_back();
  }
  slowest_.push_back(one);
  std::push_heap(slowest_.begin(), slowest_.end(), slower);
}

insights ledger::look(nanos now, index items, index failed) const {
  insights all;
  const nanos end = ended_ != 0 ? ended_ : now;
  all.detailed = detailed_;
  all.elapsed = span_of(end - begun_);
  all.items = static_cast<std::size_t>(items);
  all.failed = static_cast<std::size_t>(failed);
  all.encoding = span_of(encoding_);
  all.decoding = span_of(decoding_);
  for (std::size_t w = 0; w < lanes_.size(); ++w) {
    const lane& l = lanes_[w];
    all.attempts += static_cast<std::size_t>(l.attempts);
    if (l.attempts == 0 && l.processes == 0) continue;
    worker_insights one;
    one.worker = static_cast<int>(w);
    one.pid = l.pid;
    one.processes = l.processes;
    one.items = static_cast<std::size_t>(l.items);
    one.attempts = static_cast<std::size_t>(l.attempts);
    one.busy = span_of(l.busy);
    one.running = span_of(l.running);
    one.serialisation = span_of(l.serialisation);
    one.start_up = span_of(l.start_up);
    // A thread is there as long as its run.
    const nanos since = l.processes == 0 ? begun_ : l.there_since;
    const nanos there = l.there + (since != 0 ? std::max<nanos>(0, end - since) : 0);
    if (detailed_) one.idle = span_of(there - l.busy);
    all.workers.push_back(one);
  }
  all.slowest = slowest_;
  std::sort_heap(all.slowest.begin(), all.slowest.end(), slower);
  return all;
}

}  // namespace centimane::engine

namespace centimane {
inline namespace v0 {
namespace {

/// Three digits and a unit.
std::string written(std::chrono::nanoseconds t) {
  static constexpr const char* units[] = {"ns", "us", "ms", "s"};
  auto value = static_cast<double>(t.count());
  std::size_t u = 0;
  while (u < 3 && value >= 999.5) {
    value /= 1000;
    ++u;
  }
  char text[32];
  std::snprintf(text, sizeof text,
                value >= 99.5 || u == 0 ? "%.0f %s"
                : value >= 9.95         ? "%.1f %s"
                                        : "%.2f %s",
                value, units[u]);
  return text;
}

}  // namespace

std::string insights::text() const {
  std::string all = std::to_string(items) + (items == 1 ? " item in " : " items in ") + written(elapsed) + ", " +
                    std::to_string(failed) + " failed, " + std::to_string(attempts) + " attempts\n";
  char line[160];
  if (!detailed) {
    for (const worker_insights& w : workers) {
      std::snprintf(line, sizeof line, "worker %-4d %10zu items\n", w.worker, w.items);
      all += line;
    }
    return all + "(times are taken on request: .insights = true)\n";
  }
  std::snprintf(line, sizeof line, "%-10s %8s %10s %9s %9s %9s %9s\n", "worker", "pid", "items", "busy", "idle",
                "start-up", "serialise");
  all += line;
  for (const worker_insights& w : workers) {
    std::snprintf(line, sizeof line, "%-10d %8lld %10zu %9s %9s %9s %9s\n", w.worker, static_cast<long long>(w.pid),
                  w.items, written(w.busy).c_str(), written(w.idle).c_str(), written(w.start_up).c_str(),
                  written(w.serialisation).c_str());
    all += line;
  }
  all += "driver: encoding " + written(encoding) + ", decoding " + written(decoding) + "\n";
  for (const slow_item& s : slowest) {
    all += "item " + std::to_string(s.index) + ": " + written(s.time) + " on worker " + std::to_string(s.worker) + "\n";
  }
  return all;
}

std::ostream& operator<<(std::ostream& out, const insights& what) { return out << what.text(); }

}  // namespace v0
}  // namespace centimane
