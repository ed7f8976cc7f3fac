// A small face for tests of the process pool: tasks are numbers, a task may be told to misbehave, outcomes lie by
// index.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "platform/clock.hpp"
#include "process/pool.hpp"
#include "process/worker.hpp"
#include "run/driver.hpp"

namespace centimane::engine::test {

/// What a task does instead of squaring its number.
enum class deed : std::uint8_t {
  square,
  kill,            ///< SIGKILL to itself
  fault,           ///< SIGSEGV
  leave,           ///< _exit(7)
  raise,           ///< an error as its result
  die_reading,     ///< while its arguments are rebuilt
  die_writing,     ///< while its result is written
  hang,            ///< until it is asked to stop
  hang_hard,       ///< for ever
  large,           ///< a result of a megabyte
  close_channel,   ///< closes every descriptor, then squares
  become_another,  ///< exec of a program that sleeps
  scribble,        ///< asks for a stop of itself by SIGSTOP
  pid,             ///< answers its process id
};

struct order_of_task {
  deed what;
  std::int64_t number;
};

/// The worker's side.
class numbers_servant final : public servant {
 public:
  void set_up(reader how) override {
    const char what = how.remaining() > 0 ? how.raw<char>() : 'o';
    if (what == 'h' && set_ups->fetch_add(1) == 0) {
      for (;;) pause();
    }
    if (what != 'o') throw std::runtime_error("set-up was told to fail");
  }
  /// Counts over all processes, for set-ups of which only the first hangs.
  static inline std::atomic<int>* set_ups = nullptr;
  void define(std::uint64_t id, reader blob) override {
    known_ = id;
    factor_ = blob.raw<std::int64_t>();
  }
  void forget(std::uint64_t) override {}
  verdict run(std::uint64_t definition, std::uint32_t, reader item, writer& out, phase_marker& mark) override {
    const auto task = item.raw<order_of_task>();
    if (task.what == deed::die_reading) ::kill(getpid(), SIGKILL);
    mark.running();
    verdict v;
    std::int64_t answer = definition == known_ ? task.number * task.number * factor_ : -1;
    std::size_t extra = 0;
    switch (task.what) {
      case deed::kill:
        ::kill(getpid(), SIGKILL);
        break;
      case deed::fault:
        raise(SIGSEGV);
        break;
      case deed::leave:
        _exit(7);
      case deed::raise:
        v.ok = false;
        break;
      case deed::hang:
        while (!stop_requested()) usleep(100);
        break;
      case deed::hang_hard:
        for (;;) usleep(1000);
      case deed::large:
        extra = 1 << 20;
        break;
      case deed::close_channel:
        for (int n = 0; n < 1 << 16; ++n) close(n);
        break;
      case deed::become_another:
        execlp("sleep", "sleep", "3600", nullptr);
        break;
      case deed::scribble:
        raise(SIGSTOP);
        break;
      case deed::pid:
        answer = getpid();
        break;
      default:
        break;
    }
    mark.writing();
    if (task.what == deed::die_writing) ::kill(getpid(), SIGKILL);
    out.raw(answer);
    for (std::size_t n = 0; n < extra; n += sizeof answer) out.raw(answer);
    return v;
  }

 private:
  std::uint64_t known_ = 0;
  std::int64_t factor_ = 0;
};

/// The driver's side: each item is a deed, each outcome is kept.
class numbers final : public payload {
 public:
  struct outcome_of_item {
    int settled = 0;
    bool ok = false;
    std::int64_t value = 0;
    trouble why;
    std::size_t size = 0;
  };

  explicit numbers(std::vector<order_of_task> tasks) : tasks_(std::move(tasks)), outcomes(tasks_.size()) {}
  std::uint64_t definition_id = 0;
  std::function<void(index, numbers&)> on_settled;  ///< called when an item has its outcome
  std::vector<std::byte> padding;                   ///< goes with each task

  pulled pull(index) override { return {0, 0, true, false}; }
  verdict encode(index item, writer& out) override {
    out.raw(tasks_[item]);
    out.bytes(padding.data(), padding.size());
    return {};
  }
  verdict decode(index item, bool ok, reader in) override {
    outcomes[item].size = in.remaining();
    outcomes[item].value = in.raw<std::int64_t>();
    return {ok, false, 0};
  }
  verdict invoke(index, std::uint32_t, int) override { return {}; }
  [[nodiscard]] std::uint64_t definition(index) const override { return definition_id; }
  verdict fail(index item, std::uint32_t, const trouble& why) override {
    outcomes[item].why = why;
    return {false, false, 0};
  }
  bool settled(index item, bool ok, std::uint32_t, int) override {
    ++outcomes[item].settled;
    outcomes[item].ok = ok;
    if (on_settled) on_settled(item, *this);
    return true;
  }
  bool settled_values(index first, index n, int worker) override {
    for (index i = first; i < first + n; ++i) settled(i, true, 1, worker);
    return true;
  }
  [[nodiscard]] bool wants_each() const override { return true; }
  bool idle(void (*sleep)(void*), void* context) override {
    sleep(context);
    return true;
  }
  [[nodiscard]] std::string describe(index item) const override { return "item " + std::to_string(item); }

 private:
  std::vector<order_of_task> tasks_;

 public:
  std::vector<outcome_of_item> outcomes;
};

/// The deeds of n items: squares, but for those named.
inline std::vector<order_of_task> squares(std::int64_t n, std::vector<std::pair<std::int64_t, deed>> but = {}) {
  std::vector<order_of_task> tasks;
  for (std::int64_t i = 0; i < n; ++i) tasks.push_back({deed::square, i});
  for (auto [which, what] : but) tasks[static_cast<std::size_t>(which)].what = what;
  return tasks;
}

/// `set_up`: 'o' works, 'x' fails, 'h' hangs the first time and then fails.
inline pool_rules rules_for(std::uint32_t workers, char set_up = 'o') {
  pool_rules rules;
  rules.workers = workers;
  rules.set_up.push_back(static_cast<std::byte>(set_up));
  rules.make_zygote = [] {
    zygote_hooks hooks;
    hooks.in_worker = [](worker_files files) {
      numbers_servant face;
      serve_worker(std::move(files), face);
    };
    return zygote::fork_here(hooks);
  };
  return rules;
}

/// Runs it all on the pool; answers how the run ended.
inline policy::status carry(std::shared_ptr<pool> where, numbers& work, nanos task_timeout = policy::never,
                            policy::rules rules = {}) {
  process_port port(std::move(where), work, task_timeout);
  const std::int64_t factor = 3;
  work.definition_id = port.define(std::as_bytes(std::span(&factor, 1)));
  rules.total = work.outcomes.size();
  driver d(work, port, rules);
  return d.finish();
}

}  // namespace centimane::engine::test
