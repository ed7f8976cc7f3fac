#include "process/worker.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory/lent.hpp"
#include "platform/clock.hpp"
#include "platform/fault.hpp"
#include "platform/limits.hpp"
#include "platform/process_identity.hpp"
#include "process/birth.hpp"
#include "process/channel_worker.hpp"
#include "process/control.hpp"
#include "process/crash_text.hpp"
#include "process/freight_worker.hpp"
#include "process/leave.hpp"

namespace centimane::engine {
namespace {

/// The channel of this process's worker; nullptr elsewhere, and in a copy made by a task's fork.
std::atomic<channel_worker*> present{nullptr};
/// Set in a copy of a worker. It shares the worker's memory and descriptors and must touch neither.
std::atomic<bool> copied{false};

/// Who says something: the definition of the task in hand, 0 if none may; its index; where it goes.
std::atomic<std::uint64_t> speaker{0}, speaks_of{0};
std::atomic<const control_socket*> mouth{nullptr};
std::atomic<std::uint64_t> dropped_words{0};

/// How long a worker waits for a driver that does not take what it was told, in milliseconds.
constexpr int patience_of_words = 1000;

bool say(std::uint8_t kind, std::span<const std::byte> text, std::uint64_t whose, int patience) noexcept {
  const control_socket* to = mouth.load(std::memory_order_acquire);
  if (to == nullptr) return false;
  const word_head head{speaks_of.load(std::memory_order_relaxed), kind};
  std::byte body[sizeof head + longest_word];
  std::memcpy(body, &head, sizeof head);
  if (!text.empty()) std::memcpy(body + sizeof head, text.data(), text.size());
  return to->send_apart(control::word, whose, std::span(body).first(sizeof head + text.size()), patience);
}

/// Whose worker this is.
std::atomic<std::uint64_t> driver{0};

/// What is made here is kept by the driver as well (memory/lent.hpp).
platform::process_identity lend(int file) noexcept {
  const control_socket* to = mouth.load(std::memory_order_acquire);
  if (to == nullptr || !to->send_memory_apart(control::lend, file, patience_of_words)) return {};
  return platform::process_identity::from_word(driver.load(std::memory_order_relaxed));
}

/// What this process's worker has of the arena, for the handler of its forks.
std::atomic<freight_worker*> present_freight{nullptr};

void after_copy() {
  if (freight_worker* mine = present_freight.load()) mine->forked();
}
void in_copy() {
  present_freight.store(nullptr);
  mouth.store(nullptr);
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
        parent_(getppid()),
        freight_([this](std::uint64_t bytes) { ask_for_room(bytes); }) {
    files.task.reset();
    files.result.reset();
    files.page.reset();
    bell_ = std::move(files.bell);
    out_.attach(&freight_);
    present.store(&end_);
    present_freight.store(&freight_);
    mouth.store(&control_, std::memory_order_release);
  }
  ~worker() {
    mouth.store(nullptr);
    present.store(nullptr);
    present_freight.store(nullptr);
  }
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Set-up messages up to `begin`. False: the driver is gone.
  bool start() {
    while (!begun_) {
      if (!hear()) return false;
    }
    limits_ = platform::kept_limits();  // after the user's initialiser, which may have set its own
    CENTIMANE_FAULT("worker.before_ready");
    control_.post(control::ready, static_cast<std::uint64_t>(getpid()));
    return control_.flush_blocking();
  }

  void serve() {
    for (;;) {
      switch (end_.claim()) {
        case channel_worker::next::task:
          if (!catch_up(end_.header().control)) return;
          if ((end_.header().watched & wants_words) != 0) {
            speaks_of.store(end_.header().item, std::memory_order_relaxed);
            speaker.store(end_.header().definition, std::memory_order_relaxed);
            one();
            speaker.store(0, std::memory_order_relaxed);
          } else {
            one();
          }
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
    if (watched_) times_.running = platform::now();
  }
  void writing() noexcept override {
    if (copied.load(std::memory_order_relaxed)) end_copy();
    CENTIMANE_FAULT("worker.after_user");
    if (watched_) times_.ran = platform::now();
    end_.writing();
  }

 private:
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
      case control::begin:
        driver.store(message.id, std::memory_order_relaxed);
        memory::set_lender(&lend);
        begun_ = true;
        break;
      default: {
        bool answered = false;
        freight_.take(message, answered);
      }
    }
  }

  void one() {
    const task_header head = end_.header();
    end_.open();
    watched_ = (head.watched & wants_times) != 0;
    if (watched_) times_ = {.opened = platform::now()};
    verdict v;
    out_.clear();
    try {
      std::span<const std::byte> body = end_.body();
      if (head.kind != kind_body) body = freight_.open(body);
      v = face_.run(head.definition, head.attempt, reader(body, freight_.beside()), out_, *this);
    } catch (const std::exception& e) {
      failed(v, e.what());
    }
    if (copied.load(std::memory_order_relaxed)) end_copy();
    end_.writing();
    result_header result{};
    const bool light = head.kind == kind_body && !freight_.used() && out_.size() <= end_.largest();
    if (!light || !deferred_.empty()) return end_heavy(v);
    result.ok = v.ok;
    result.retryable = v.retryable;
    result.server_wait = v.server_wait;
    if (watched_) stamp(result);
    CENTIMANE_FAULT("worker.before_publish");
    end_.publish(result, out_.view(), times_);
  }

  void stamp(result_header& result) noexcept {
    result.timed = 1;
    times_.written = platform::now();
  }

  /// Publishes the result of a task that had something large to read or to write.
  void end_heavy(verdict v) {
    std::span<const std::byte> record = out_.view();
    result_header result{};
    const bool kept = freight_.close();
    const auto pack = [&] {
      if (!kept && !freight_.loaded() && out_.size() <= end_.largest()) return out_.view();
      result.kind = kind_heavy;
      return freight_.pack(out_.view(), end_.largest(), kept);
    };
    try {
      record = pack();
    } catch (const std::exception&) {
      result.kind = kind_body;
      out_.rewrite(0);
      v = face_.not_sent(std::current_exception(), out_);
      record = pack();
    }
    result.ok = v.ok;
    result.retryable = v.retryable;
    result.server_wait = v.server_wait;
    if (watched_) stamp(result);
    CENTIMANE_FAULT("worker.before_publish");
    end_.publish(result, record, times_);
    freight_.published();
    give_back();
    for (; !deferred_.empty(); deferred_.pop_front()) take(std::move(deferred_.front()));
    if (out_.size() > kept_buffer) {
      out_ = writer();
      out_.attach(&freight_);
    }
  }

  /// Asks for room in the arena. What else the driver says meanwhile waits: a task is half written.
  void ask_for_room(std::uint64_t bytes) {
    if (!control_.intact()) leave_without_channel();
    control_.post(control::want, bytes);
    if (!control_.flush_blocking()) leave_without_channel();
    for (bool answered = false; !answered;) {
      std::optional<control_message> got = control_.receive_blocking();
      if (!got) leave_without_channel();
      if (freight_.take(*got, answered)) {
        ++heard_;
      } else {
        deferred_.push_back(std::move(*got));
      }
    }
  }

  void give_back() {
    const std::vector<memory::lease> leases = freight_.to_give_back();
    if (leases.empty() || !control_.intact()) return;
    control_.post(control::give_back, 0, std::make_shared<const control_body>(std::as_bytes(std::span(leases))));
    control_.flush();
  }

  /// An error that no face has written: its own promise was broken, or memory ran out around it. An empty error
  /// travels; the reason goes to the driver's log.
  void failed(verdict& v, const char* why) {
    v = verdict{};
    v.ok = false;
    out_.rewrite(0);
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
    if (!control_.intact()) return false;
    control_.flush();
    bool gone = false;
    while (std::optional<control_message> got = control_.receive(gone)) take(std::move(*got));
    if (gone) return false;
    give_back();
    flush_output();
    // Behind the messages: with them the face may have taken what threads of tasks wait for, the GIL above all.
    face_.idle();
    memory::forget_lent();
    if (!limits_.restored()) end_.want_recycle();
    follow_parent(parent_);
    CENTIMANE_FAULT("worker.before_sleep");
    return true;
  }

  servant& face_;
  channel_worker end_;
  control_socket control_;
  platform::fd bell_;
  const pid_t parent_;
  platform::kept_limits limits_;
  std::uint32_t heard_ = 0;
  bool begun_ = false;
  bool watched_ = false;  ///< the task in hand
  phase_times times_;     ///< its
  freight_worker freight_;
  std::deque<control_message> deferred_;  ///< heard while room was asked for
  writer out_;
};

}  // namespace

void serve_worker(worker_files files, servant& face, fatal_handlers whose) {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, after_copy, in_copy);
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

bool may_tell() noexcept {
  return speaker.load(std::memory_order_relaxed) != 0 && mouth.load(std::memory_order_relaxed) != nullptr;
}

bool tell_driver(std::uint8_t kind, std::span<const std::byte> text, bool wait) noexcept {
  const std::uint64_t whose = speaker.load(std::memory_order_relaxed);
  if (whose == 0 || text.size() > longest_word) return false;
  if (const std::uint64_t n = dropped_words.exchange(0); n != 0) {
    if (!say(0, std::as_bytes(std::span(&n, 1)), whose, 0)) dropped_words.fetch_add(n);
  }
  if (say(kind, text, whose, wait ? patience_of_words : 0)) return true;
  if (wait) dropped_words.fetch_add(1);
  return false;
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
