// child_process: what it is given, how it ends, what its end tells.
#include "centimane/child_process.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;
using namespace std::chrono_literals;

namespace {

int add(int a, int b) { return a + b; }

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

TEST(child_process, gives_back_what_its_function_returns) {
  cm::child_process sum(add, 3, 4);
  EXPECT_EQ(sum.get(), 7);
  EXPECT_EQ(sum.exit_code(), 0);
  EXPECT_FALSE(sum.is_alive());
  std::string greeting = "hello";
  cm::child_process text([](const std::string& s, std::vector<int> v) { return s + std::to_string(v.size()); },
                         greeting, std::vector<int>{1, 2, 3});
  EXPECT_EQ(text.get(), "hello3");
  const int offset = 40;
  cm::child_process<int> closure([offset](int n) { return n + offset; }, 2);
  EXPECT_EQ(closure.get(), 42);
  cm::child_process large([](std::size_t n) { return std::vector<double>(n, 0.5); }, std::size_t{1'000'000});
  EXPECT_EQ(large.get().size(), 1'000'000U);
  cm::child_process<> nothing([] {});
  nothing.get();
  EXPECT_EQ(nothing.exit_code(), 0);
}

TEST(child_process, is_a_process_of_its_own_in_the_program_s_group) {
  cm::child_process pids([] { return std::vector<int>{getpid(), getpgrp()}; });
  const std::vector<int> found = pids.get();
  EXPECT_EQ(found[0], pids.pid());
  EXPECT_NE(found[0], getpid());
  EXPECT_EQ(found[1], getpgrp());
}

TEST(child_process, throws_what_its_function_threw) {
  cm::child_process failing([]() -> int { throw std::out_of_range("too far"); });
  EXPECT_THROW(failing.get(), std::out_of_range);
  EXPECT_EQ(failing.exit_code(), 1);
  struct odd {};
  cm::child_process foreign([] { throw odd{}; });
  EXPECT_THROW(foreign.get(), cm::remote_error);
}

TEST(child_process, an_exception_that_nobody_asks_for_is_logged) {
  std::vector<std::string> lines;
  cm::set_log_handler([&](const cm::log_record& record) { lines.emplace_back(record.text); });
  { cm::child_process(std::plus<>(), 1, 2).join(); }
  EXPECT_TRUE(lines.empty());
  {
    cm::child_process failing([] { throw std::runtime_error("alas"); });
    failing.join();
  }
  cm::set_log_handler({});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("alas"), std::string::npos) << lines[0];
}

TEST(child_process, tells_how_it_ended) {
  for (const int code : {0, 3, 255}) {
    cm::child_process leaving([](int n) { _exit(n); }, code);
    leaving.join();
    EXPECT_EQ(leaving.exit_code(), code);
    EXPECT_THROW(leaving.get(), cm::worker_died);
  }
  for (const int signal : {SIGTERM, SIGKILL, SIGUSR1}) {
    cm::child_process dying([](int n) { raise(n); }, signal);
    try {
      dying.get();
      ADD_FAILURE() << "it has died";
    } catch (const cm::worker_died& died) {
      EXPECT_EQ(died.signal(), signal);
      EXPECT_EQ(died.pid(), dying.pid());
      EXPECT_NE(std::string(died.what()).find("was killed by signal"), std::string::npos);
    }
    EXPECT_EQ(dying.exit_code(), -signal);
  }
}

TEST(child_process, is_ended_by_signals_and_by_its_destructor) {
  cm::child_process sleeping(sleep_for_ever);
  EXPECT_TRUE(sleeping.is_alive());
  EXPECT_FALSE(sleeping.join_for(0s));
  EXPECT_EQ(sleeping.exit_code(), std::nullopt);
  pollfd end{sleeping.native_handle(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 0), 0);
  sleeping.terminate();
  EXPECT_EQ(poll(&end, 1, 60'000), 1);
  EXPECT_TRUE(sleeping.join_for(60s));
  EXPECT_EQ(sleeping.exit_code(), -SIGTERM);
  sleeping.kill();  // no error, and nobody else is hit
  cm::child_process killed(sleep_for_ever);
  killed.kill();
  killed.join();
  EXPECT_EQ(killed.exit_code(), -SIGKILL);
  { cm::child_process dropped(sleep_for_ever); }  // the leak check looks for it
  cm::child_process moved = cm::child_process(add, 1, 1);
  cm::child_process<int> again = std::move(moved);
  EXPECT_EQ(again.get(), 2);
}

TEST(child_process, many_live_at_once_and_threads_may_start_them) {
  std::vector<std::thread> threads;
  std::vector<int> sums(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &sums] {
      std::vector<cm::child_process<int>> all;
      for (int n = 0; n < 10; ++n) all.emplace_back(add, n, t);
      for (auto& one : all) sums[static_cast<std::size_t>(t)] += one.get();
    });
  }
  for (auto& one : threads) one.join();
  EXPECT_EQ(sums, (std::vector<int>{45, 55, 65, 75}));
}

TEST(child_process, may_have_processes_of_its_own) {
  cm::child_process outer(
      [](int n) {
        cm::child_process inner(add, n, 1);
        return inner.get() +
               cm::parallel_map([](int k) { return k; }, std::vector<int>{5}, {.executor = cm::process}).values()[0];
      },
      1);
  EXPECT_EQ(outer.get(), 7);
}

TEST(child_process, refuses_what_cannot_travel) {
  int local = 0;
  int* const pointer = &local;
  EXPECT_THROW(cm::child_process([pointer] { return *pointer; }), cm::payload_error);
}

TEST(child_process, prints_to_the_program_s_output) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int before = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  close(ends[1]);
  cm::child_process([] { std::puts("from a process"); }).join();
  dup2(before, STDOUT_FILENO);
  close(before);
  char text[64]{};
  EXPECT_EQ(read(ends[0], text, sizeof text), 15);
  EXPECT_STREQ(text, "from a process\n");
  close(ends[0]);
}

}  // namespace
