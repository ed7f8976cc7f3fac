#include "run/trace.hpp"

#include <algorithm>
#include <charconv>

namespace centimane::engine {
namespace {

/// A phase that is shorter cannot be seen beside its attempt, and would cost a line.
constexpr nanos least_phase = 1000;

const char* name_of(policy::outcome how) {
  switch (how) {
    case policy::outcome::value:
      return "value";
    case policy::outcome::error:
      return "error";
    case policy::outcome::died:
      return "worker died";
    case policy::outcome::overtime:
      return "timed out";
    case policy::outcome::cancelled:
      return "cancelled";
    case policy::outcome::unsent:
      return "not sent";
  }
  return "";
}

const char* name_of(policy::status how) {
  switch (how) {
    case policy::status::completed:
      return "completed";
    case policy::status::stopped:
      return "stopped";
    case policy::status::timed_out:
      return "timed out";
    case policy::status::aborted:
      return "aborted";
    case policy::status::source_failed:
      return "source failed";
  }
  return "";
}

std::string items(index first, index count) {
  if (count <= 1) return "item " + std::to_string(first);
  return "items " + std::to_string(first) + "-" + std::to_string(first + count - 1);
}

}  // namespace

trace_writer::trace_writer(std::int64_t driver_pid, std::function<void(std::string_view)> out)
    : driver_{driver_pid, driver_pid}, out_(std::move(out)) {
  out_("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"producer\":\"centimane\"},\"traceEvents\":[");
  name(driver_, "driver", -1);
}

// ---- words

void trace_writer::number(std::int64_t n) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, n).ptr;
  line_.append(text, end);
}

void trace_writer::microseconds(nanos t) {
  number(t / 1000);
  const auto rest = static_cast<int>(t % 1000);
  line_ += '.';
  for (int digit = 100; digit > 0; digit /= 10) line_ += static_cast<char>('0' + rest / digit % 10);
}

void trace_writer::open(const char* kind, std::string_view name, const char* category, track where, nanos at) {
  line_ = first_ ? "\n{\"ph\":\"" : ",\n{\"ph\":\"";
  first_ = false;
  line_ += kind;
  line_ += "\",\"name\":\"";
  line_ += name;
  line_ += "\",\"cat\":\"";
  line_ += category;
  line_ += "\",\"pid\":";
  number(where.pid);
  line_ += ",\"tid\":";
  number(where.tid);
  line_ += ",\"ts\":";
  microseconds(at);
}

void trace_writer::argument(const char* name, std::int64_t value) {
  line_ += std::exchange(in_arguments_, true) ? ",\"" : ",\"args\":{\"";
  line_ += name;
  line_ += "\":";
  number(value);
}

void trace_writer::argument(const char* name, const char* value) {
  line_ += std::exchange(in_arguments_, true) ? ",\"" : ",\"args\":{\"";
  line_ += name;
  line_ += "\":\"";
  line_ += value;
  line_ += '"';
}

void trace_writer::close() {
  line_ += std::exchange(in_arguments_, false) ? "}}" : "}";
  out_(line_);
}

void trace_writer::slice(std::string_view name, const char* category, track where, nanos from, nanos to) {
  open("X", name, category, where, from);
  line_ += ",\"dur\":";
  microseconds(std::max<nanos>(0, to - from));
}

void trace_writer::instant(std::string_view name, track where, nanos at) {
  open("i", name, "event", where, at);
  line_ += R"(,"s":"t")";
}

// ---- tracks

/// A process has a name of its own; a thread of the driver's is one more track there.
void trace_writer::name(track where, const std::string& label, int order) {
  const bool apart = where.pid == where.tid;
  for (const char* whose : {"process", "thread"}) {
    if (*whose == 'p' && !apart) continue;
    const std::string kind(whose);
    open("M", kind + "_name", "__metadata", where, 0);
    argument("name", label.c_str());
    close();
    open("M", kind + "_sort_index", "__metadata", where, 0);
    argument("sort_index", order);
    close();
  }
}

std::int64_t trace_writer::pid_of(int worker, nanos at) const {
  const auto found = processes_.find(worker);
  if (found == processes_.end()) return 0;
  return at < found->second.since ? found->second.before : found->second.pid;
}

/// Of a thread, or of a worker whose process is not known: below the driver, under a number of its own.
trace_writer::track trace_writer::track_of(int worker, std::int64_t pid) {
  if (worker < 0) return driver_;
  const track where = pid == 0 ? track{driver_.pid, driver_.pid + 1 + worker} : track{pid, pid};
  const auto [at, fresh] = named_.try_emplace(worker, pid);
  if (fresh || at->second != pid) {
    at->second = pid;
    name(where, "worker " + std::to_string(worker), worker);
  }
  return where;
}

// ---- events

void trace_writer::attempt(const happening& what) {
  const phase_times& t = what.times;
  const track where = track_of(what.worker, pid_of(what.worker, t.written == 0 ? what.at : t.opened));
  const std::string label = items(what.item, what.count);
  if (t.written == 0) {
    instant(label, where, what.at);
  } else {
    slice(label, "attempt", where, t.opened, t.written);
  }
  argument("index", static_cast<std::int64_t>(what.item));
  argument("attempt", what.attempt);
  argument("outcome", name_of(what.how));
  close();
  const bool seen = t.running - t.opened >= least_phase || t.written - t.ran >= least_phase;
  if (t.written == 0 || !seen) return;
  const std::pair<const char*, std::pair<nanos, nanos>> phases[] = {
      {"decode", {t.opened, t.running}}, {"run", {t.running, t.ran}}, {"encode", {t.ran, t.written}}};
  for (const auto& [phase, span] : phases) {
    slice(phase, "phase", where, span.first, span.second);
    close();
  }
}

void trace_writer::tell(const happening& what) {
  const auto marked = [&](const std::string& text) {
    instant(text, track_of(what.worker, what.pid != 0 ? what.pid : pid_of(what.worker, what.at)), what.at);
  };
  switch (what.what) {
    case happening::run_begun:
      instant("run begun", driver_, what.at);
      break;
    case happening::run_ended:
      instant("run ended", driver_, what.at);
      argument("status", name_of(what.end));
      break;
    case happening::attempt_ended:
      return attempt(what);
    case happening::retry_scheduled:
      instant("retry " + items(what.item, what.count), driver_, what.at);
      argument("index", static_cast<std::int64_t>(what.item));
      argument("attempt", what.attempt);
      argument("in_ns", std::max<nanos>(0, what.until - what.at));
      break;
    case happening::worker_started:
      processes_[what.worker] = {what.pid, pid_of(what.worker, what.at), what.from};
      if (what.from == 0) {
        static_cast<void>(track_of(what.worker, what.pid));
        return;
      }
      slice("start", "worker", track_of(what.worker, what.pid), what.from, what.at);
      break;
    case happening::worker_died:
      marked("died");
      if (what.signal != 0) argument("signal", what.signal);
      if (what.exit_code >= 0) argument("exit_code", what.exit_code);
      break;
    case happening::worker_recycled:
      marked("left");
      break;
    case happening::task_timed_out:
      marked("time out of " + items(what.item, what.count));
      argument("index", static_cast<std::int64_t>(what.item));
      argument("limit_ns", what.until);
      break;
    case happening::taken_back:
      marked("taken back: " + items(what.item, what.count));
      argument("index", static_cast<std::int64_t>(what.item));
      argument("count", static_cast<std::int64_t>(what.count));
      break;
    case happening::limiter_paused:
      instant("limiter paused", driver_, what.at);
      argument("for_ns", std::max<nanos>(0, what.until - what.at));
      break;
  }
  close();
}

void trace_writer::driver(const char* doing, nanos from, nanos to, index items) {
  slice(doing, "driver", driver_, from, to);
  if (items != 0) argument("items", static_cast<std::int64_t>(items));
  close();
}

void trace_writer::end() { out_("\n]}\n"); }

}  // namespace centimane::engine
