#include "process/worker.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <thread>

#include "memory/arena.hpp"
#include "platform/fault.hpp"
#include "platform/mapping.hpp"
#include "process/bell.hpp"
#include "process/channel.hpp"
#include "process/freight.hpp"
#include "zygote_nest.hpp"

namespace {

using namespace centimane::test;
using namespace centimane::engine;
namespace memory = centimane::memory;
using centimane::reader;
using centimane::writer;

/// What a test servant is asked to do, named by the definition.
enum job : std::uint64_t {
  echo = 1,       ///< the result is the argument
  grow,           ///< the argument is a u64: that many bytes
  error,          ///< an error
  throws,         ///< breaks the servant's promise
  dies,           ///< the argument is an int: raises that signal
  leaves,         ///< the argument is an int: _exit
  terminates,     ///< throws where nothing may
  overflows,      ///< the stack
  fork_returns,   ///< both copies return
  closes,         ///< every descriptor from 3 on
  covers,         ///< puts a file of its own over every descriptor of the engine, then returns
  hangs,          ///< until asked to stop
  hangs_deaf,     ///< for ever, in user code with a name
  orphan,         ///< leaves a process behind
  defined,        ///< the result is the last definition's bytes
  changes_group,  ///< a process group of its own
  scribbles,      ///< writes over its argument
};

volatile int depth_of_it = 0;
__attribute__((noinline)) int overflow(int n) {
  volatile char room[4096];
  room[0] = static_cast<char>(n);
  depth_of_it = n;
  return n < 0 ? room[0] : overflow(n + 1) + room[0];
}

[[noreturn]] void far_away() { throw std::out_of_range("far away"); }
void raise_out_of_range() noexcept { far_away(); }

/// What a worker does, in the order in which it does it; for those that are forked from now on.
class diary {
 public:
  diary() { shared = reinterpret_cast<std::atomic<char>*>(page_.data()); }
  ~diary() { shared = nullptr; }
  diary(const diary&) = delete;
  diary& operator=(const diary&) = delete;
  static void write(char what) {
    if (shared == nullptr) return;
    std::size_t n = 0;
    while (shared[n].load() != 0) ++n;
    shared[n].store(what);
  }
  [[nodiscard]] static std::string text() {
    std::string all;
    for (std::size_t n = 0; shared[n].load() != 0; ++n) all += shared[n].load();
    return all;
  }

 private:
  static inline std::atomic<char>* shared = nullptr;
  platform::mapping page_ = platform::mapping::shared_with_children(4096);
};

class test_servant final : public servant {
 public:
  void idle() override { diary::write('i'); }
  void set_up(reader how) override {
    const std::string text = string_of(how);
    if (text == "fail") throw std::runtime_error("set-up says no");
    if (text == "exit") _exit(7);
  }
  void define(std::uint64_t, reader blob) override {
    diary::write('d');
    last_ = string_of(blob);
  }
  void forget(std::uint64_t) override { last_ = "forgotten"; }
  verdict run(std::uint64_t definition, std::uint32_t, reader item, writer& out, phase_marker& mark) override {
    const auto body = item.rest();
    const auto number = [&] {
      int n = 0;
      std::memcpy(&n, body.data(), sizeof n);
      return n;
    };
    mark.running();
    verdict v;
    switch (definition) {
      case grow: {
        std::uint64_t n = 0;
        std::memcpy(&n, body.data(), sizeof n);
        std::byte* at = out.extend(n);
        for (std::uint64_t i = 0; i < n; ++i) at[i] = static_cast<std::byte>(i * 7);
        break;
      }
      case error:
        v.ok = false;
        v.retryable = true;
        v.server_wait = 5;
        out.bytes("bad", 3);
        break;
      case throws:
        throw std::runtime_error("a servant must not");
      case dies:
        raise(number());
        break;
      case leaves:
        _exit(number());
      case terminates:
        raise_out_of_range();
        break;
      case overflows:
        out.raw(overflow(0));
        break;
      case fork_returns:
        (void)!fork();
        break;
      case closes:
        for (int i = 3; i < 1100; ++i) close(i);
        break;
      case covers: {
        const int own = ::open(string_of(reader(body)).c_str(), O_RDWR | O_CLOEXEC);
        for (int i = 3; i < 1100; ++i) {
          if (i != own && fcntl(i, F_GETFD) >= 0) dup2(own, i);
        }
        break;
      }
      case hangs:
        while (!stop_requested()) usleep(200);
        out.bytes("stopped", 7);
        break;
      case hangs_deaf:
        for (;;) pause();
      case orphan:
        if (const pid_t child = fork()) {
          out.raw(child);
        } else {
          for (;;) pause();
        }
        break;
      case defined:
        out.bytes(last_.data(), last_.size());
        break;
      case scribbles: {  // over its argument, which is its own to write to
        std::memset(const_cast<std::byte*>(body.data()), 0xee, body.size());
        break;
      }
      case changes_group:
        setsid();
        break;
      default:
        out.bytes(body.data(), body.size());
    }
    mark.writing();
    return v;
  }

 private:
  static std::string string_of(reader from) {
    const auto all = from.rest();
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }
  std::string last_ = "nothing";
};

void live(worker_files files) {
  test_servant face;
  serve_worker(std::move(files), face);
}

/// A driver with a zygote and one worker.
class shop {
 public:
  explicit shop(const std::string& set_up = "", const channel_shape& shape = {})
      : ring(shape), zygote_(zygote::fork_here(hooks())) {
    auto [mine, theirs] = control_socket::make_pair();
    control_end = control_socket(std::move(mine));
    if (!zygote_.request(1, ring.files().task.get(), ring.files().result.get(), ring.files().text.get(),
                         bell_.page_fd(), bell_.ring_fd(), theirs.get())) {
      throw std::runtime_error("no request");
    }
    theirs.reset();
    ring.close_files();
    control_end.post(control::set_up, 0, text_body(set_up));
    control_end.post(control::begin);
    const zygote::notice n = hear();
    if (n.what != zygote::notice::forked) throw std::runtime_error("not forked");
    pid = n.pid;
    pidfd = std::move(const_cast<zygote::notice&>(n).pidfd);
  }

  bool ready() {
    if (!readable(control_end.get())) throw std::runtime_error("hang: no ready");
    const auto got = control_end.receive_blocking();
    return got && got->kind == control::ready;
  }
  zygote::notice hear() {
    for (;;) {
      if (auto n = zygote_.receive()) return std::move(*n);
      if (!readable(zygote_.socket())) throw std::runtime_error("hang: no notice");
    }
  }
  /// A task that the worker sees with the next send() only: it cannot run dry between the two.
  void append(job what, std::span<const std::byte> body) {
    task_header head{};
    head.length = static_cast<std::uint32_t>(body.size());
    head.definition = what;
    head.attempt = 1;
    head.control = control_end.posted();
    if (!ring.append(head, body)) throw std::runtime_error("no room");
  }
  void append(job what, const std::string& text) { append(what, std::as_bytes(std::span(text))); }
  void send(job what, std::span<const std::byte> body) {
    append(what, body);
    ring.publish();
  }
  void send(job what, const std::string& text = "") { send(what, std::as_bytes(std::span(text))); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void send(job what, T value) { send(what, std::as_bytes(std::span(&value, 1))); }
  /// A task whose bytes are all in a block.
  void send_block(job what, std::span<const std::byte> body) {
    const auto block = arena->write({&body, 1});
    lent = block->number();
    arena->lend(lent, tenant);
    if (known_.insert(block->where().segment).second) {
      std::uint64_t size = 0;
      auto memory = arena->file_of(block->where().segment, size);
      control_end.post(control::map_arguments, block->where().segment,
                       std::make_shared<const control_body>(std::move(memory), size));
    }
    writer table;
    table.raw(freight_head{1, 1});
    table.raw(lent_block{lent, block->where().offset, body.size(), block->where().segment, 0});
    task_header head{};
    head.definition = what;
    head.control = control_end.posted();
    head.kind = kind_heavy;
    if (!ring.append(head, table.view())) throw std::runtime_error("no room");
    ring.publish();
  }
  /// Hears the worker and gives it the room it asks for.
  void hear_worker() {
    bool gone = false;
    while (auto message = control_end.receive(gone)) {
      if (message->kind == control::log) logs.push_back(message->take_body());
      if (message->kind != control::want) continue;
      memory::grant g = arena->give(tenant, message->id);
      if (g.file) {
        control_end.post(control::map_results, g.where.segment,
                         std::make_shared<const control_body>(std::move(g.file), g.segment_size));
      }
      const granted_block what{g.where.offset, g.where.size, g.need, g.have, g.where.segment, 1};
      control_end.post(control::granted, g.number,
                       std::make_shared<const control_body>(std::as_bytes(std::span(&what, 1))));
    }
  }

  struct answer {
    result_header header{};
    std::vector<std::byte> body;
    bool kept = false;
    [[nodiscard]] std::string text() const { return {reinterpret_cast<const char*>(body.data()), body.size()}; }
  };
  /// The next result; throws if none comes.
  answer receive() {
    std::optional<answer> got;
    const std::int64_t latest = platform::now() + std::int64_t{hang} * 1'000'000;
    while (!got) {
      if (!pending_.empty()) {
        got = std::move(pending_.front());
        pending_.erase(pending_.begin());
        break;
      }
      bell_.announce();
      ring.ring_from(1);
      if (!ring.due()) bell_.sleep(platform::now() + 1'000'000);  // requests for room do not ring
      bell_.awake();
      hear_worker();
      drain();
      if (pending_.empty() && platform::now() > latest) throw std::runtime_error("hang: no result");
    }
    if (got->header.kind == kind_heavy) {
      reader in(got->body);
      const auto head = in.raw<freight_head>();
      got->kept = (head.flags & freight_kept) != 0;
      if (head.count != 1 || (head.flags & freight_apart) == 0) throw std::runtime_error("an odd table");
      const auto block = in.raw<written_block>();
      const auto view = arena->publish(block.lease, tenant, block.length);
      if (!view) throw std::runtime_error("no such grant");
      got->body.assign(view->data, view->data + view->size);
    }
    return std::move(*got);
  }
  void drain() {
    ring.drain([&](const channel::result& r) {
      pending_.push_back({r.header, {r.body.begin(), r.body.end()}, false});
    });
  }
  /// The worker's end; what it published before stands in pending.
  zygote::notice death() {
    zygote::notice n = hear();
    drain();
    return n;
  }
  [[nodiscard]] std::size_t unread() const { return pending_.size(); }

  channel ring;
  control_socket control_end;
  const std::shared_ptr<memory::arena> arena = memory::arena::make();
  const memory::holder tenant = arena->enrol();
  memory::lease lent = 0;  ///< the last argument's
  std::vector<std::vector<std::byte>> logs;
  platform::fd pidfd;
  pid_t pid = 0;

 private:
  static zygote_hooks hooks() {
    zygote_hooks h;
    h.in_worker = live;
    return h;
  }
  bell bell_;
  zygote zygote_;
  std::set<memory::segment_number> known_;
  std::vector<answer> pending_;
};

std::vector<std::byte> pattern(std::size_t n) {
  std::vector<std::byte> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<std::byte>(i * 13);
  return all;
}

TEST(worker, is_idle_after_what_it_hears_at_rest) {
  const diary events;
  shop it;
  ASSERT_TRUE(it.ready());
  it.append(defined, "");
  it.control_end.post(control::define, 1, text_body("not needed by the task"));
  ASSERT_TRUE(it.control_end.flush());
  it.ring.publish();
  EXPECT_EQ(it.receive().text(), "nothing");
  // A face lets its locks go in idle(): a message read behind it could take them again, and keep them for a night.
  const std::int64_t latest = platform::now() + std::int64_t{hang} * 1'000'000;
  while (diary::text().find("di") == std::string::npos && platform::now() < latest) std::this_thread::yield();
  EXPECT_NE(diary::text().find("di"), std::string::npos) << diary::text();
}

TEST(worker, serves_and_leaves_when_told) {
  shop s;
  ASSERT_TRUE(s.ready());
  for (int i = 0; i < 1000; ++i) {
    s.send(echo, std::to_string(i));
    const auto got = s.receive();
    ASSERT_TRUE(got.header.ok);
    ASSERT_EQ(got.text(), std::to_string(i));
  }
  s.ring.closing();
  const auto n = s.death();
  EXPECT_EQ(n.signal, 0);
  EXPECT_EQ(n.exit_code, 0);
  EXPECT_EQ(s.ring.text(), "");
}

TEST(worker, what_was_sent_is_run_before_it_leaves) {
  shop s;
  for (int i = 0; i < 100; ++i) s.send(echo, std::to_string(i));
  s.ring.closing();
  EXPECT_TRUE(s.ready());
  EXPECT_EQ(s.death().exit_code, 0);
  EXPECT_EQ(s.unread(), 100U);
}

TEST(worker, an_error_keeps_its_marks) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(error);
  const auto got = s.receive();
  EXPECT_FALSE(got.header.ok);
  EXPECT_TRUE(got.header.retryable);
  EXPECT_EQ(got.header.server_wait, 5);
  EXPECT_EQ(got.text(), "bad");
}

TEST(worker, large_bodies_go_apart_both_ways) {
  shop s;
  ASSERT_TRUE(s.ready());
  for (const std::size_t n : {std::size_t{1} << 16, std::size_t{1} << 20, std::size_t{9} << 20}) {
    const auto body = pattern(n);
    s.send_block(echo, body);
    const auto got = s.receive();
    EXPECT_TRUE(got.header.ok);
    EXPECT_TRUE(got.body == body) << n;
    s.send(echo, "small");  // and a small one behind it
    EXPECT_EQ(s.receive().text(), "small");
  }
  s.send(grow, std::uint64_t{3} << 20);
  EXPECT_EQ(s.receive().body.size(), std::size_t{3} << 20);
}

TEST(worker, gives_an_argument_back_with_the_result_and_its_pages_are_as_before) {
  shop s;
  ASSERT_TRUE(s.ready());
  for (int k = 0; k < 20; ++k) {
    const auto body = pattern(200'000 + static_cast<std::size_t>(k));
    s.send_block(k % 2 == 0 ? scribbles : echo, body);
    const auto got = s.receive();
    EXPECT_FALSE(got.kept);
    EXPECT_TRUE(s.arena->take_back(s.lent, s.tenant));
    EXPECT_TRUE(k % 2 == 0 || got.body == body) << "what a task wrote over its argument is seen by the next";
  }
  EXPECT_LE(s.arena->count().segments, 2U) << "one for arguments, one for results, used again";
}

TEST(worker, definitions_are_there_before_the_tasks_that_name_them) {
  shop s;
  ASSERT_TRUE(s.ready());
  for (int i = 0; i < 200; ++i) {
    const std::string text = "definition " + std::to_string(i);
    s.control_end.post(control::define, 1, text_body(text));
    s.send(defined);
    ASSERT_EQ(s.receive().text(), text);
  }
  s.control_end.post(control::forget, 1);
  s.send(defined);
  EXPECT_EQ(s.receive().text(), "forgotten");
}

TEST(worker, a_servant_that_throws_costs_its_task_only) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(throws);
  EXPECT_FALSE(s.receive().header.ok);
  s.send(echo, "next");
  EXPECT_EQ(s.receive().text(), "next");
  s.hear_worker();
  EXPECT_EQ(s.logs.size(), 1U);
}

TEST(worker, a_set_up_that_fails_says_why) {
  shop s("fail");
  const auto n = s.death();
  EXPECT_EQ(n.exit_code, 1);
  EXPECT_EQ(s.ring.text(), "set-up says no\n");
}

TEST(worker, a_set_up_that_exits) {
  shop s("exit");
  EXPECT_EQ(s.death().exit_code, 7);
}

class fatal : public ::testing::TestWithParam<int> {};
TEST_P(fatal, the_signal_and_a_stack_are_written_down) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(echo, "before");
  s.send(dies, GetParam());
  s.send(echo, "behind");
  const auto n = s.death();
  EXPECT_EQ(n.signal, GetParam());
  EXPECT_EQ(s.unread(), 1U);
  const auto at = s.ring.look();
  EXPECT_TRUE(at.sane);
  EXPECT_TRUE(at.begun);
  EXPECT_EQ(at.at, phase::run);
  const std::string text = s.ring.text();
  EXPECT_NE(text.find(std::string("SIG") + sigabbrev_np(GetParam())), std::string::npos) << text;
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), 4) << text;
}
INSTANTIATE_TEST_SUITE_P(signals, fatal, ::testing::Values(SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT));

TEST(worker, a_stack_overflow_is_written_down) {
  shop s;
  s.send(overflows);
  ASSERT_TRUE(s.ready());
  EXPECT_EQ(s.death().signal, SIGSEGV);
  EXPECT_NE(s.ring.text().find("SIGSEGV"), std::string::npos);
}

TEST(worker, an_exception_that_nothing_catches_is_named) {
  shop s;
  s.send(terminates);
  ASSERT_TRUE(s.ready());
  EXPECT_EQ(s.death().signal, SIGABRT);
  const std::string text = s.ring.text();
  EXPECT_NE(text.find("std::out_of_range: far away"), std::string::npos) << text;
  EXPECT_NE(text.find("SIGABRT"), std::string::npos) << text;
}

TEST(worker, an_exit_in_a_task) {
  shop s;
  s.send(leaves, 0);
  ASSERT_TRUE(s.ready());
  const auto n = s.death();
  EXPECT_EQ(n.exit_code, 0);
  EXPECT_EQ(s.ring.look().at, phase::run);
}

TEST(worker, a_task_that_forks_and_returns_twice_gives_one_result) {
  shop s;
  ASSERT_TRUE(s.ready());
  for (int i = 0; i < 20; ++i) {
    s.send(fork_returns);
    EXPECT_TRUE(s.receive().header.ok);
    s.send(echo, "next");
    EXPECT_EQ(s.receive().text(), "next");
  }
  s.ring.closing();
  EXPECT_EQ(s.death().exit_code, 0);
  EXPECT_EQ(s.unread(), 0U);
  EXPECT_TRUE(s.ring.look().sane);
}

TEST(worker, a_task_that_closes_everything_keeps_its_result_and_costs_the_worker) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(closes);
  const auto n = s.death();
  EXPECT_EQ(n.signal, 0);
  EXPECT_EQ(s.unread(), 1U);
}

TEST(worker, nothing_is_written_into_a_users_file_at_our_numbers) {
  std::string path = "/tmp/worker-test-XXXXXX";
  const platform::fd file(mkstemp(path.data()));
  shop s;
  ASSERT_TRUE(s.ready());
  s.append(covers, path);  // a worker that runs dry with its socket covered leaves at once
  s.send(dies, SIGSEGV);
  EXPECT_EQ(s.death().signal, SIGSEGV);
  EXPECT_EQ(lseek(file.get(), 0, SEEK_END), 0);
  EXPECT_EQ(s.ring.text(), "");
  unlink(path.c_str());
}

TEST(worker, a_soft_stop_reaches_the_task_in_hand) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(hangs);
  while (!s.ring.look().begun) std::this_thread::yield();
  s.ring.soft_stop();
  platform::pidfd_signal(s.pidfd.get(), stop_signal());
  EXPECT_EQ(s.receive().text(), "stopped");
  s.send(echo, "next");
  EXPECT_EQ(s.receive().text(), "next");
}

TEST(worker, the_stack_of_a_task_that_hangs_can_be_had) {
  shop s;
  ASSERT_TRUE(s.ready());
  s.send(hangs_deaf);
  while (s.ring.look().at != phase::run) std::this_thread::yield();
  platform::pidfd_signal(s.pidfd.get(), stack_signal());
  const std::int64_t latest = platform::now() + std::int64_t{hang} * 1'000'000;
  std::string text;
  while (std::count(text.begin(), text.end(), '\n') < 5 && platform::now() < latest) text = s.ring.text();
  EXPECT_EQ(text.rfind("Stack of the task:\n", 0), 0U) << text;
  EXPECT_FALSE(platform::pidfd_exited(s.pidfd.get()));
  platform::pidfd_signal(s.pidfd.get(), SIGKILL);
  EXPECT_EQ(s.death().signal, SIGKILL);
}

TEST(worker, what_a_task_leaves_behind_goes_with_it) {
  shop s;
  s.send(orphan);
  ASSERT_TRUE(s.ready());
  const auto got = s.receive();
  pid_t child = 0;
  std::memcpy(&child, got.body.data(), sizeof child);
  const platform::fd it = platform::pidfd_open(child);
  ASSERT_TRUE(it);
  s.ring.closing();
  EXPECT_EQ(s.death().exit_code, 0);
  EXPECT_TRUE(readable(it.get()));
}

TEST(worker, a_task_that_starts_a_session_of_its_own_changes_nothing) {
  shop s;
  s.send(changes_group);
  s.send(echo, "next");
  ASSERT_TRUE(s.ready());
  EXPECT_TRUE(s.receive().header.ok);
  EXPECT_EQ(s.receive().text(), "next");
  s.ring.closing();
  EXPECT_EQ(s.death().exit_code, 0);
}

TEST(worker, tiny_rings_wrap_and_large_results_still_pass) {
  channel_shape tiny;
  tiny.slots = 4;
  tiny.tasks = 8;
  tiny.task_bytes = 1024;
  tiny.result_bytes = 1024;
  shop s("", tiny);
  ASSERT_TRUE(s.ready());
  for (std::uint64_t i = 0; i < 500; ++i) {
    s.send(grow, (i * 37) % 3000);
    EXPECT_EQ(s.receive().body.size(), (i * 37) % 3000);
  }
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
struct step {
  const char* point;
  bool begun;  ///< the task in hand is to blame
  phase at;
};
class worker_steps : public ::testing::TestWithParam<step> {};
TEST_P(worker_steps, a_death_there_is_told_exactly) {
  ASSERT_TRUE(platform::fault::arm(std::string(GetParam().point) + ":1:kill"));
  shop s;
  platform::fault::disarm_all();
  s.send(echo, "x");
  EXPECT_EQ(s.death().signal, SIGKILL);
  const auto at = s.ring.look();
  EXPECT_TRUE(at.sane);
  EXPECT_EQ(at.begun, GetParam().begun);
  if (at.begun) {
    EXPECT_EQ(at.at, GetParam().at);
  }
  EXPECT_EQ(s.unread(), 0U);
}
INSTANTIATE_TEST_SUITE_P(points, worker_steps,
                         ::testing::Values(step{"worker.before_ready", false, phase::none},
                                           step{"worker.decoded", true, phase::open},
                                           step{"worker.after_user", true, phase::run},
                                           step{"worker.before_publish", true, phase::write}),
                         [](const auto& which) {
                           std::string name = which.param.point;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });
#endif

TEST(worker, functions_for_workers_are_harmless_elsewhere) {
  EXPECT_FALSE(stop_requested());
  EXPECT_FALSE(soft_stop_due());
  EXPECT_EQ(crash_text(), -1);
}

}  // namespace

int main(int argc, char** argv) { return run_all(argc, argv); }
