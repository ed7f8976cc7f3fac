// A function in a process of its own: the driver's side, and the life of such a process.
#include "centimane/child_process.hpp"

#include <csignal>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>

#include "centimane/errors.hpp"
#include "centimane/log.hpp"
#include "face/ancestor.hpp"
#include "face/child_life.hpp"
#include "platform/clock.hpp"
#include "platform/descriptors.hpp"
#include "platform/fork_generation.hpp"
#include "platform/mapping.hpp"
#include "platform/memfd.hpp"
#include "process/children.hpp"
#include "process/leave.hpp"
#include "process/obituary.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

using engine::nanos;

/// How long a process that was asked to end may take.
constexpr nanos grace = 1'000'000'000;

/// What stands before a result. A process that dies while it writes one leaves `none`.
enum class outcome : std::uint64_t { none, value, error };

/// Those of this process. The zygote that forks them goes with the last.
std::shared_ptr<engine::children> common_children() {
  static std::mutex& guard = *new std::mutex;
  static std::weak_ptr<engine::children> present;
  static std::uint32_t generation = 0;
  const std::lock_guard hold(guard);
  auto it = present.lock();
  if (!it || generation != platform::fork_generation()) {  // what a fork inherited is its parent's
    engine::need_ancestor(false);
    it = engine::children::open(engine::zygote_from_ancestor);
    present = it;
    generation = platform::fork_generation();
  }
  return it;
}

class no_marks final : public engine::phase_marker {
  void running() noexcept override {}
  void writing() noexcept override {}
};

platform::fd memory_of(std::span<const std::byte> first, std::span<const std::byte> second) {
  platform::fd made = platform::make_memory("centimane-process", first.size() + second.size());
  platform::write_memory(made.get(), 0, first);
  platform::write_memory(made.get(), first.size(), second);
  return made;
}

}  // namespace

struct child_handle::parts {
  platform::fd memory;  ///< where the result comes
  std::unique_ptr<engine::child> it;
  std::optional<platform::exit_status> how;
  platform::mapping result;
  bool fetched = false;

  /// Has it ended by then?
  bool wait(nanos until) {
    if (!how) how = it->ended(until);
    return how.has_value();
  }
  /// What it has left, the result or error behind it.
  outcome look(reader& body) {
    const std::size_t size = platform::memory_size(memory.get());
    if (size < sizeof(outcome)) return outcome::none;
    if (result.size() == 0) result = platform::mapping(memory.get(), size, platform::access::read);
    reader all(std::span<const std::byte>(result.data(), result.size()));
    const auto what = all.raw<outcome>();
    body = reader(all.rest());
    return what;
  }
};

child_handle::child_handle(table_of_task* how, const writer& task) : parts_(std::make_unique<parts>()) {
  engine::flush_output();  // what was printed before stands before what the process prints
  writer named;
  write_function(named, how);
  engine::child_files files;
  files.payload = memory_of(named.view(), task.view());
  platform::seal_size(files.payload.get());
  files.in = platform::another(0);
  files.out = platform::another(1);
  files.err = platform::another(2);
  parts_->memory = platform::make_memory("centimane-result", 0);
  files.more = platform::another(parts_->memory.get());
  parts_->it = common_children()->start(std::move(files));
  parts_->it->born(policy::never);
}

child_handle::~child_handle() {
  try {
    parts& p = *parts_;
    if (!p.wait(0)) {
      p.it->signal(SIGTERM);
      if (!p.wait(platform::now() + grace)) {
        p.it->signal(SIGKILL);
        p.wait(platform::now() + grace);  // one in the kernel's uninterruptible sleep is not waited for
      }
    }
    reader body;
    if (p.fetched || p.look(body) != outcome::error) return;
    bool unused = false;
    try {
      std::rethrow_exception(read_error(body, unused));
    } catch (const std::exception& e) {
      log(log_level::warning,
          "process " + std::to_string(p.it->pid()) + " ended by an exception that nobody asked for: " + e.what());
    }
  } catch (...) {  // of the log, or after a fork: it is not ours
  }
}

void child_handle::join() { parts_->wait(policy::never); }

bool child_handle::join_for(time_span how_long) {
  return parts_->wait(how_long.infinite() ? policy::never : policy::later(platform::now(), how_long.get().count()));
}

std::optional<int> child_handle::exit_code() {
  if (!parts_->wait(0)) return std::nullopt;
  return parts_->how->signal != 0 ? -parts_->how->signal : parts_->how->code;
}

void child_handle::signal(int number) { parts_->it->signal(number); }
pid_t child_handle::pid() const noexcept { return parts_->it->pid(); }
int child_handle::sentinel() const noexcept { return parts_->it->sentinel(); }

reader child_handle::result() {
  parts& p = *parts_;
  p.wait(policy::never);
  reader body;
  const outcome left = p.look(body);
  p.fetched = true;
  if (left == outcome::value) return body;
  if (left == outcome::error) {
    bool unused = false;
    std::rethrow_exception(read_error(body, unused));
  }
  death_report report;
  report.signal = p.how->signal;
  report.exit_code = p.how->code;
  report.pid = p.it->pid();
  report.stage = "run";
  const std::string how = report.signal != 0 ? "was killed by signal " + std::to_string(report.signal) + " (" +
                                                   engine::signal_name(report.signal) + ")"
                                             : "exited with code " + std::to_string(report.exit_code);
  const std::string what =
      "centimane: process " + std::to_string(report.pid) + " " + how + " before its function returned";
  throw worker_died(what, std::move(report));
}

}  // namespace detail
}  // namespace v0

namespace engine {

int live_as_child(child_files files) {
  using detail::outcome;
  std::signal(SIGINT, SIG_DFL);
  writer out;
  outcome what = outcome::value;
  try {
    const platform::mapping payload(files.payload.get(), platform::memory_size(files.payload.get()),
                                    platform::access::copy);
    reader in(std::span<const std::byte>(payload.data(), payload.size()));
    const detail::task_table* task = detail::read_function<detail::table_of_task>(in)();
    detail::no_marks marks;
    task->run(nullptr, in, out, marks);
  } catch (...) {
    what = outcome::error;
    out.clear();
    detail::write_error(out, std::current_exception(), false);
  }
  try {
    platform::write_memory(files.more.get(), sizeof what, out.view());
    platform::write_memory(files.more.get(), 0, std::as_bytes(std::span(&what, 1)));
  } catch (const std::exception&) {  // no memory for it: the driver is told that there is none
    return 1;
  }
  return what == outcome::value ? 0 : 1;
}

}  // namespace engine
}  // namespace centimane
