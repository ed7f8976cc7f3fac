#include "process/worker.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "platform/fault.hpp"
#include "process/birth.hpp"
#include "process/channel_worker.hpp"
#include "process/control.hpp"
#include "process/crash_text.hpp"
#include "process/leave.hpp"

namespace centimane::engine {
namespace {

/// The channel of this process's worker; nullptr elsewhere, and in a copy made by a task's fork.
std::atomic<channel_worker*> present{nullptr};
/// Set in a copy of a worker. It shares the worker's memory and descriptors and must touch neither.
std::atomic<bool> copied{false};

void in_copy() {
  if (present.exchange(nullptr) == nullptr) return;
  copied.store(true);
  disown_crash_text();
}

/// The end of a copy that came back from the user's code.
[[noreturn]] void end_copy() noexcept {
  static constexpr char line[] =
      "centimane: a copy of a worker, made by fork() in a task, returned from the task; it ends here\n";
  (void)!write(STDERR_FILENO, line, sizeof line - 1);
  _exit(0);
}

/// What a result's buffer may keep between tasks.
constexpr std::size_t kept_buffer = 1024 * 1024;

class worker final : public phase_marker {
 public:
  worker(worker_files& files, servant& face)
      : face_(face),
        end_(files.task.get(), files.result.get(), files.page.get(), files.bell.get()),
        control_(std::move(files.control)),
        parent_(getppid()) {
    files.task.reset();
    files.result.reset();
    files.page.reset();
    bell_ = std::move(files.bell);
    present.store(&end_);
  }
  ~worker() { present.store(nullptr); }
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Set-up messages up to `begin`. False: the driver is gone.
  bool start() {
    while (!begun_) {
      if (!hear()) return false;
    }
    CENTIMANE_FAULT("worker.before_ready");
    control_.post(control::ready);
    return control_.flush_blocking();
  }

  void serve() {
    for (;;) {
      switch (end_.claim()) {
        case channel_worker::next::task:
          if (!catch_up(end_.header().control)) return;
          one();
          break;
        case channel_worker::next::dry:
          if (!rest()) return;
          end_.sleep();
          break;
        case channel_worker::next::closing:
          return;
      }
    }
  }

  // A copy's marks would be taken for the worker's.
  void running() noexcept override {
    if (copied.load(std::memory_order_relaxed)) end_copy();
    CENTIMANE_FAULT("worker.decoded");
    end_.running();
  }
  void writing() noexcept override {
    if (copied.load(std::memory_order_relaxed)) end_copy();
    CENTIMANE_FAULT("worker.after_user");
    end_.writing();
  }

 private:
  struct block {
    std::uint32_t number;  ///< of the control message
    std::uint64_t token;
    control_message body;
  };

  /// Reads messages until the one of that number has been read. False: the driver is gone, or the user's code took the
  /// socket away.
  bool catch_up(std::uint32_t number) {
    while (static_cast<std::int32_t>(number - heard_) > 0) {
      if (!hear()) return false;
    }
    return true;
  }

  bool hear() {
    if (!control_.intact()) return false;
    std::optional<control_message> got = control_.receive_blocking();
    if (!got) return false;
    take(std::move(*got));
    return true;
  }

  void take(control_message message) {
    ++heard_;
    switch (message.kind) {
      case control::set_up: {
        const std::vector<std::byte> body = message.take_body();
        face_.set_up(reader(body));
        break;
      }
      case control::define: {
        const std::vector<std::byte> body = message.take_body();
        face_.define(message.id, reader(body));
        break;
      }
      case control::forget:
        face_.forget(message.id);
        break;
      case control::block:
        blocks_.push_back({heard_, message.id, std::move(message)});
        break;
      case control::begin:
        begun_ = true;
        break;
      default:
        break;
    }
  }

  /// The bytes of a task that did not fit the ring.
  std::vector<std::byte> find_block(std::span<const std::byte> body) {
    std::uint64_t token = 0;
    if (body.size() == sizeof token) std::memcpy(&token, body.data(), sizeof token);
    const auto it = std::find_if(blocks_.begin(), blocks_.end(), [&](const block& b) { return b.token == token; });
    if (it == blocks_.end()) throw std::runtime_error("centimane: a task's block did not arrive");
    std::vector<std::byte> bytes = it->body.take_body();
    // Blocks come in the order of their tasks: those before it belong to tasks that were taken back.
    blocks_.erase(blocks_.begin(), it + 1);
    return bytes;
  }

  void one() {
    const task_header head = end_.header();
    end_.open();
    verdict v;
    out_.clear();
    try {
      std::vector<std::byte> large;
      std::span<const std::byte> body = end_.body();
      if (head.kind == 1) {
        large = find_block(body);
        body = large;
      }
      v = face_.run(head.definition, head.attempt, reader(body), out_, *this);
    } catch (const std::exception& e) {
      failed(v, e.what());
    }
    if (copied.load(std::memory_order_relaxed)) end_copy();
    end_.writing();
    result_header result{};
    result.ok = v.ok;
    result.retryable = v.retryable;
    result.server_wait = v.server_wait;
    if (out_.size() > end_.largest() && !send_apart(v, result)) {
      result.ok = v.ok;
      result.retryable = v.retryable;
    }
    CENTIMANE_FAULT("worker.before_publish");
    if (result.kind == 1) {
      end_.publish(result, std::as_bytes(std::span(&token_, 1)));
    } else {
      end_.publish(result, out_.view());
    }
    if (out_.size() > kept_buffer) out_ = writer();
  }

  /// A result that does not fit the ring goes by the control socket, before it is published.
  bool send_apart(verdict& v, result_header& result) {
    if (!control_.intact()) leave_without_channel();
    try {
      auto body = std::make_shared<const control_body>(out_.view());
      control_.post(control::result, ++token_, std::move(body));
    } catch (const std::exception& e) {
      failed(v, e.what());
      return false;
    }
    if (!control_.flush_blocking()) leave_without_channel();
    CENTIMANE_FAULT("worker.after_block");
    result.kind = 1;
    return true;
  }

  /// An error that no face has written: its own promise was broken, or memory ran out around it. An empty error
  /// travels; the reason goes to the driver's log.
  void failed(verdict& v, const char* why) {
    v = verdict{};
    v.ok = false;
    out_.clear();
    try {
      const std::string line = std::string("centimane: a result was lost in its worker: ") + why;
      if (control_.intact())
        control_.post(control::log, 0, std::make_shared<const control_body>(std::as_bytes(std::span(line))));
    } catch (const std::exception&) {
    }
  }

  /// The user's code closed our descriptors: the driver sees the socket's end and tells it as this task's death.
  [[noreturn]] static void leave_without_channel() noexcept {
    write_crash_text("The task closed the descriptors of its worker.\n");
    leave(1);
  }

  /// Nothing to do: the moment for what is not urgent. False: leave.
  bool rest() {
    flush_output();
    face_.idle();
    if (!control_.intact()) return false;
    control_.flush();
    bool gone = false;
    while (std::optional<control_message> got = control_.receive(gone)) take(std::move(*got));
    if (gone) return false;
    follow_parent(parent_);
    CENTIMANE_FAULT("worker.before_sleep");
    return true;
  }

  servant& face_;
  channel_worker end_;
  control_socket control_;
  platform::fd bell_;
  const pid_t parent_;
  std::uint32_t heard_ = 0;
  bool begun_ = false;
  std::uint64_t token_ = 0;
  std::vector<block> blocks_;
  writer out_;
};

}  // namespace

void serve_worker(worker_files files, servant& face, fatal_handlers whose) {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, in_copy);
  copied.store(false);
  const platform::fd text = std::move(files.text);
  open_crash_text(text.get(), whose);
  try {
    worker self(files, face);
    if (self.start()) {
      self.serve();
      face.tear_down();
    }
    disown_crash_text();  // before its descriptor closes
  } catch (const std::exception& e) {
    write_crash_text(e.what());
    write_crash_text("\n");
    leave(1);
  }
}

bool stop_requested() noexcept {
  const channel_worker* end = present.load(std::memory_order_relaxed);
  return end != nullptr && end->stop_requested();
}

bool soft_stop_due() noexcept {
  const channel_worker* end = present.load(std::memory_order_relaxed);
  return end != nullptr && end->soft_stop_due();
}

}  // namespace centimane::engine
