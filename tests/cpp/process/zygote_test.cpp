#include "process/zygote.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <new>
#include <set>
#include <sstream>
#include <thread>

#include "platform/fault.hpp"
#include "platform/futex.hpp"
#include "platform/mapping.hpp"
#include "zygote_nest.hpp"

namespace {

using namespace centimane::test;
using centimane::engine::serve_zygote;

TEST(zygote, reports_how_each_worker_ended) {
  nest home;
  std::uint64_t ticket = 100;
  for (const int code : {0, 1, 42, 255}) {
    const auto worker = home.worker(++ticket);
    EXPECT_GE(home.pidfd(ticket), 0);
    command(*worker, order::exit_with, code);
    const zygote::notice n = home.hear();
    EXPECT_EQ(n.what, zygote::notice::exited);
    EXPECT_EQ(n.ticket, ticket);
    EXPECT_EQ(n.pid, home.pid(ticket));
    EXPECT_EQ(n.signal, 0);
    EXPECT_EQ(n.exit_code, code);
    EXPECT_TRUE(platform::pidfd_exited(home.pidfd(ticket)));
  }
  for (const int signal : {SIGKILL, SIGSEGV, SIGABRT, SIGTERM, SIGPIPE, SIGALRM}) {
    const auto worker = home.worker(++ticket);
    command(*worker, order::raise_signal, signal);
    const zygote::notice n = home.hear();
    EXPECT_EQ(n.what, zygote::notice::exited);
    EXPECT_EQ(n.signal, signal);
    EXPECT_EQ(n.exit_code, -1);
  }
}

TEST(zygote, a_worker_has_nothing_but_its_own) {
  const platform::fd users(open("/etc/passwd", O_RDONLY));  // not even close-on-exec
  nest home;
  const auto sibling = home.worker(1);
  const auto worker = home.worker(2);
  command(*worker, order::describe);
  auto heard = worker->receive_blocking();
  ASSERT_TRUE(heard);
  const auto bytes = heard->take_body();
  std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::multiset<std::string> kinds;
  std::set<std::string> said;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("fd ", 0) != 0) {
      said.insert(line);
      continue;
    }
    std::istringstream words(line);
    std::string skip, target;
    int number = 0;
    words >> skip >> number >> target;
    if (number <= 2) {
      if (number == 0) {
        EXPECT_EQ(target, "/dev/null");
      }
      continue;
    }
    EXPECT_GE(number, 900) << line;
    kinds.insert(target.substr(0, target.find(':')));
  }
  EXPECT_EQ(said, (std::set<std::string>{"group own", "SIGINT ignored", "SIGTERM default", "blocked 0", "core 0"}));
  // The five files are /dev/null in this test; its socket; its lifeline's end. No sibling's, no zygote's, no user's.
  EXPECT_EQ(kinds, (std::multiset<std::string>{"/dev/null", "/dev/null", "/dev/null", "/dev/null", "/dev/null", "pipe",
                                               "socket"}));
}

TEST(zygote, kills_by_ticket_and_forgives_an_unknown_one) {
  nest home;
  const auto worker = home.worker(7);
  command(*worker, order::spin);
  EXPECT_TRUE(home->kill(6, SIGKILL));
  EXPECT_TRUE(home->kill(7, SIGKILL));
  const zygote::notice n = home.hear();
  EXPECT_EQ(n.what, zygote::notice::exited);
  EXPECT_EQ(n.ticket, 7U);
  EXPECT_EQ(n.signal, SIGKILL);
  EXPECT_TRUE(home->kill(7, SIGKILL));
  EXPECT_NE(home.worker(8), nullptr);
}

TEST(zygote, what_a_worker_leaves_in_its_group_goes_with_it) {
  nest home;
  const auto worker = home.worker(1);
  command(*worker, order::breed);
  const auto heard = worker->receive_blocking();
  ASSERT_TRUE(heard);
  const platform::fd child = platform::pidfd_open(static_cast<pid_t>(heard->id));
  ASSERT_TRUE(child);
  command(*worker, order::exit_with, 0);
  EXPECT_EQ(home.hear().what, zygote::notice::exited);
  EXPECT_TRUE(readable(child.get()));
}

platform::fd daemon_of(control_socket& worker) {
  command(worker, order::breed_daemon);
  const auto heard = worker.receive_blocking();
  return heard ? platform::pidfd_open(static_cast<pid_t>(heard->id)) : platform::fd();
}

TEST(zygote, what_was_detached_goes_on_and_is_counted_once) {
  nest home;
  const auto worker = home.worker(1), other = home.worker(2);
  const platform::fd first = daemon_of(*worker), second = daemon_of(*worker);
  ASSERT_TRUE(first && second);
  command(*worker, order::breed);  // stays in the group, and goes with it
  ASSERT_TRUE(worker->receive_blocking());
  command(*worker, order::exit_with, 0);
  EXPECT_EQ(home.hear().left, 2);
  command(*other, order::exit_with, 0);
  EXPECT_EQ(home.hear().left, 0);
  EXPECT_FALSE(platform::pidfd_exited(first.get()));
  EXPECT_FALSE(platform::pidfd_exited(second.get()));
  for (const platform::fd* one : {&first, &second}) {
    EXPECT_TRUE(platform::pidfd_signal(one->get(), SIGKILL));
    EXPECT_TRUE(readable(one->get()));
    // The zygote reaps what it has adopted: no signal can be sent to it then, which a zombie still takes.
    while (platform::pidfd_signal(one->get(), 0)) std::this_thread::yield();
  }
}

TEST(zygote, what_a_contained_worker_detached_ends_with_it) {
  for (const int how : {0, SIGKILL}) {
    nest home;
    const auto worker = home.worker(1), other = home.worker(2);
    command(*other, order::contain);
    const platform::fd others = daemon_of(*other);
    command(*worker, order::contain);
    const platform::fd first = daemon_of(*worker), second = daemon_of(*worker);
    ASSERT_TRUE(first && second && others);
    command(*worker, how == 0 ? order::exit_with : order::raise_signal, how);
    EXPECT_EQ(home.hear().left, 0);
    EXPECT_TRUE(readable(first.get()));
    EXPECT_TRUE(readable(second.get()));
    EXPECT_FALSE(platform::pidfd_exited(others.get())) << "its worker lives";
    EXPECT_NE(home.worker(3), nullptr) << "which is none of those to be killed";
    command(*other, order::exit_with, 0);
    EXPECT_EQ(home.hear().what, zygote::notice::exited);
    EXPECT_TRUE(readable(others.get()));
  }
}

TEST(zygote, what_contained_workers_detached_ends_with_the_pool) {
  platform::fd left;
  {
    nest home;
    const auto worker = home.worker(1);
    command(*worker, order::contain);
    left = daemon_of(*worker);
    ASSERT_TRUE(left);
  }
  EXPECT_TRUE(readable(left.get()));
}

TEST(zygote, only_a_worker_can_be_contained) { EXPECT_THROW(centimane::engine::contain_processes(), std::logic_error); }

TEST(zygote, two_hundred_in_a_row) {
  nest home;
  std::vector<std::int64_t> took;
  const std::size_t before = detail::descriptors().size();
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::int64_t begin = platform::now();
    {
      const auto worker = home.worker(i);
      took.push_back(platform::now() - begin);
      command(*worker, order::exit_with, 3);
      EXPECT_EQ(home.hear().exit_code, 3);
    }
  }
  EXPECT_LE(detail::descriptors().size(), before + 200) << "one pidfd a worker is kept by this test itself";
  std::sort(took.begin(), took.end());
  std::printf("request to ready: median %.3f ms, p99 %.3f ms\n", static_cast<double>(took[100]) / 1e6,
              static_cast<double>(took[198]) / 1e6);
  // The zygote holds nothing of those that are gone: its socket, driver, epoll, kick, signals and 0-2.
  EXPECT_LE(detail::entries("/proc/" + std::to_string(home->pid()) + "/fd").size(), 8U);
}

TEST(zygote, many_at_once) {
  nest home;
  constexpr std::uint64_t n = 40;
  std::vector<std::unique_ptr<control_socket>> all;
  for (std::uint64_t i = 0; i < n; ++i) all.push_back(home.ask(i));
  std::set<std::uint64_t> forked, exited;
  while (forked.size() < n) {
    const zygote::notice got = home.hear();
    ASSERT_EQ(got.what, zygote::notice::forked);
    forked.insert(got.ticket);
  }
  for (auto& one : all) command(*one, order::raise_signal, SIGKILL);
  while (exited.size() < n) {
    const zygote::notice got = home.hear();
    ASSERT_EQ(got.what, zygote::notice::exited);
    EXPECT_EQ(got.signal, SIGKILL);
    exited.insert(got.ticket);
  }
}

TEST(zygote, its_own_death_ends_all_workers_and_is_told_once) {
  nest home;
  const auto idle = home.worker(1), busy = home.worker(2), asleep = home.worker(3);
  command(*busy, order::spin);
  ASSERT_TRUE(platform::pidfd_signal(home.pidfd(3), SIGSTOP));
  while (!stopped(home.pid(3))) std::this_thread::yield();
  ASSERT_TRUE(platform::pidfd_signal(home->pidfd(), SIGKILL));
  EXPECT_EQ(home.hear().what, zygote::notice::gone);
  EXPECT_FALSE(home->receive());
  for (const std::uint64_t ticket : {1U, 2U, 3U}) EXPECT_TRUE(readable(home.pidfd(ticket))) << "worker " << ticket;
  EXPECT_FALSE(home->request(9, 0, 0, 0, 0, 0, 0));
}

TEST(zygote, closing_it_ends_all_workers) {
  std::vector<platform::fd> watched;
  {
    nest home;
    const auto busy = home.worker(1), asleep = home.worker(2);
    command(*busy, order::spin);
    platform::pidfd_signal(home.pidfd(2), SIGSTOP);
    watched.push_back(platform::pidfd_open(home.pid(1)));
    watched.push_back(platform::pidfd_open(home.pid(2)));
  }
  for (const platform::fd& one : watched) EXPECT_TRUE(readable(one.get()));
}

TEST(zygote, the_terminals_signals_do_not_reach_it) {
  nest home;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1}) {
    platform::pidfd_signal(home->pidfd(), signal);
  }
  EXPECT_NE(home.worker(1), nullptr);
}

TEST(zygote, lives_on_when_the_thread_that_made_it_ends) {
  std::unique_ptr<nest> home;
  std::thread([&] { home = std::make_unique<nest>(); }).join();
  const auto worker = home->worker(1);
  command(*worker, order::exit_with, 5);
  EXPECT_EQ(home->hear().exit_code, 5);
}

TEST(zygote, ignored_sigchld_loses_no_status) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  {
    zygote_hooks hooks;
    hooks.inherit = true;  // dispositions are the parent's
    nest home(hooks);
    const auto worker = home.worker(1);
    command(*worker, order::exit_with, 6);
    EXPECT_EQ(home.hear().exit_code, 6);
  }
  signal(SIGCHLD, before);
}

TEST(zygote, inherited_descriptors_stay_but_not_the_zygotes) {
  const platform::fd users(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  zygote_hooks hooks;
  hooks.inherit = true;
  nest home(hooks);
  const auto sibling = home.worker(1);
  const auto worker = home.worker(2);
  command(*worker, order::describe);
  auto heard = worker->receive_blocking();
  ASSERT_TRUE(heard);
  const auto bytes = heard->take_body();
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_NE(text.find("/etc/passwd"), std::string::npos);
  EXPECT_EQ(text.find("eventpoll"), std::string::npos) << text;
  EXPECT_EQ(text.find("pidfd"), std::string::npos) << text;
  // A sibling's lifeline in here would keep that sibling alive.
  const auto busy = home.worker(3);
  command(*busy, order::spin);
  platform::pidfd_signal(home->pidfd(), SIGKILL);
  for (const std::uint64_t ticket : {1U, 2U, 3U}) EXPECT_TRUE(readable(home.pidfd(ticket)));
}

TEST(zygote, a_users_wait_for_any_child_does_no_harm) {
  nest home;
  const auto worker = home.worker(1);
  platform::pidfd_signal(home->pidfd(), SIGKILL);
  int status = 0;
  while (waitpid(-1, &status, 0) < 0 && errno == EINTR) {
  }
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(home.hear().what, zygote::notice::gone);
}  // its destructor finds no child, and does not wait

TEST(zygote, a_copy_of_the_driver_can_do_nothing_with_it) {
  nest home;
  const auto worker = home.worker(1);
  const pid_t copy = fork();
  if (copy == 0) {
    const bool sent = home->request(2, 0, 0, 0, 0, 0, 0);
    { const zygote end = std::move(*home); }
    _exit(sent ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(copy, &status, 0), copy);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_NE(home.worker(3), nullptr);
}

// ---- what the kernel or a sandbox refuses

/// From now on these system calls answer EPERM in this process and its children.
void refuse(std::initializer_list<int> calls) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const int call : calls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) != 0) _exit(99);
}

nest sandboxed(std::vector<int> calls) {
  zygote_hooks hooks;
  hooks.fork = [calls] {
    const pid_t pid = fork();
    if (pid == 0) {
      for (const int call : calls) refuse({call});
    }
    return pid;
  };
  return nest(hooks);
}

TEST(zygote_refused, without_pidfds_it_reports_deaths_and_sends_the_kills) {
  for (const std::vector<int>& calls :
       {std::vector<int>{SYS_pidfd_open}, std::vector<int>{SYS_pidfd_open, SYS_signalfd4}}) {
    nest home = sandboxed(calls);
    auto worker = home.worker(1);
    EXPECT_LT(home.pidfd(1), 0);
    command(*worker, order::exit_with, 9);
    EXPECT_EQ(home.hear().exit_code, 9);
    worker = home.worker(2);
    command(*worker, order::spin);
    EXPECT_TRUE(home->kill(2, SIGKILL));
    EXPECT_EQ(home.hear().signal, SIGKILL);
  }
}

TEST(zygote_refused, without_close_range_nothing_is_inherited_either) {
  const platform::fd users(open("/etc/passwd", O_RDONLY));
  nest home = sandboxed({SYS_close_range});
  const auto worker = home.worker(1);
  command(*worker, order::describe);
  auto heard = worker->receive_blocking();
  ASSERT_TRUE(heard);
  const auto bytes = heard->take_body();
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(text.find("/etc/passwd"), std::string::npos) << text;
  EXPECT_EQ(text.find("eventpoll"), std::string::npos) << text;
}

#if defined(CENTIMANE_FAULTS) && CENTIMANE_FAULTS
TEST(zygote_refused, a_fork_that_fails_is_told_with_its_reason) {
  ASSERT_TRUE(platform::fault::arm("zygote.fork:2:errno=" + std::to_string(EAGAIN)));
  nest home;
  platform::fault::disarm_all();
  const auto first = home.worker(1);
  const auto second = home.ask(2);
  const zygote::notice n = home.hear();
  EXPECT_EQ(n.what, zygote::notice::failed);
  EXPECT_EQ(n.ticket, 2U);
  EXPECT_EQ(n.error, EAGAIN);
  EXPECT_NE(home.worker(3), nullptr);
}
#endif

// ---- warming up

/// What a zygote's hooks leave for the test. The first fork is the zygote's own.
struct warmth {
  std::atomic<std::uint32_t> times{0}, forks{0}, cold_forks{0};

  [[nodiscard]] zygote_hooks hooks() {
    zygote_hooks made;
    made.fork = [this] {
      forks.fetch_add(1);
      if (times.load() == 0) cold_forks.fetch_add(1);
      return fork();
    };
    made.warm_up = [this] {
      times.fetch_add(1);
      platform::futex_wake(times);
    };
    return made;
  }
};

TEST(zygote, warms_up_once_and_before_the_third_worker) {
  const auto memory = platform::mapping::shared_with_children(sizeof(warmth));
  auto& seen = *new (memory.data()) warmth;
  nest home(seen.hooks());
  std::vector<std::unique_ptr<control_socket>> workers;
  for (std::uint64_t i = 0; i < 5; ++i) workers.push_back(home.worker(i));
  EXPECT_EQ(seen.forks, 1U + 5U);
  EXPECT_LE(seen.cold_forks, 1U + 2U);
  EXPECT_EQ(seen.times, 1U);
}

TEST(zygote, warms_up_when_it_has_had_nothing_to_do) {
  const auto memory = platform::mapping::shared_with_children(sizeof(warmth));
  auto& seen = *new (memory.data()) warmth;
  nest home(seen.hooks());
  const auto worker = home.worker(1);
  while (seen.times == 0) platform::futex_wait(seen.times, 0);
  const auto next = home.worker(2);
  EXPECT_EQ(seen.cold_forks, 1U + 1U);
  EXPECT_EQ(seen.times, 1U);
}

TEST(zygote_refused, too_few_descriptors_are_told_as_such) {
  zygote_hooks hooks;
  hooks.fork = [] {
    const pid_t pid = fork();
    if (pid == 0) {
      const rlimit few{40, 40};
      setrlimit(RLIMIT_NOFILE, &few);
    }
    return pid;
  };
  nest home(hooks);
  std::vector<std::unique_ptr<control_socket>> all;
  bool failed = false;
  for (std::uint64_t i = 0; i < 40 && !failed; ++i) {
    all.push_back(home.ask(i));
    const zygote::notice n = home.hear();
    failed = n.what == zygote::notice::failed;
    if (failed) {
      EXPECT_EQ(n.error, EMFILE);
    }
  }
  EXPECT_TRUE(failed);
  command(*all.front(), order::exit_with, 0);
  EXPECT_EQ(home.hear().what, zygote::notice::exited);
}

// ---- another program as zygote

TEST(zygote_spawned, serves_and_has_only_the_socket) {
  const platform::fd users(open("/etc/passwd", O_RDONLY));
  char name[] = "zygote", flag[] = "--serve-as-zygote";
  char* const argv[] = {name, flag, nullptr};
  nest home(zygote::spawn("/proc/self/exe", argv, environ));
  const auto worker = home.worker(1);
  command(*worker, order::exit_with, 11);
  EXPECT_EQ(home.hear().exit_code, 11);
  // Its socket, driver, epoll, kick and 0-2.
  EXPECT_LE(detail::entries("/proc/" + std::to_string(home->pid()) + "/fd").size(), 8U);
}

TEST(zygote_spawned, a_program_that_is_not_there) {
  char name[] = "zygote";
  char* const argv[] = {name, nullptr};
  EXPECT_THROW((void)zygote::spawn("/nowhere/at/all", argv, environ), std::system_error);
}

TEST(zygote_spawned, a_program_that_is_no_zygote_is_gone) {
  char name[] = "true";
  char* const argv[] = {name, nullptr};
  nest home(zygote::spawn("/bin/true", argv, environ));
  EXPECT_EQ(home.hear().what, zygote::notice::gone);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--serve-as-zygote") {
    zygote_hooks hooks;
    hooks.in_worker = obey;
    serve_zygote(platform::fd(3), getppid(), hooks);
    _exit(0);
  }
  return run_all(argc, argv);
}
