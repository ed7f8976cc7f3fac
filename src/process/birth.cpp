#include "process/birth.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>

#include "platform/descriptors.hpp"
#include "platform/fault.hpp"
#include "process/lifeline.hpp"

namespace centimane::engine {
namespace {

/// The kernel's out-of-memory killer is to take a worker, not the program or its zygote.
void offer_first(int score) noexcept {
  const platform::fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!file) return;
  std::array<char, 16> text{};
  const int n = std::snprintf(text.data(), text.size(), "%d", score);
  (void)!write(file.get(), text.data(), static_cast<std::size_t>(n));
}

}  // namespace

void follow_parent(pid_t parent) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it died before the signal was armed
}

void be_born(const birth& how, worker_files& files, platform::fd lifeline) noexcept {
  setpgid(0, 0);
  follow_parent(how.zygote);
  CENTIMANE_FAULT("worker.armed");

  platform::fd* const own[] = {&files.task, &files.result,  &files.text, &files.page,
                               &files.bell, &files.control, &lifeline};
  std::array<int, std::size(own)> numbers{};
  for (std::size_t i = 0; i < std::size(own); ++i) {
    *own[i] = platform::move_high(std::move(*own[i]));
    numbers[i] = own[i]->get();
  }
  if (!how.keep_descriptors) platform::close_all_but(numbers);
  platform::ensure_standard();
  platform::silence_stdin();
  hang_on(lifeline.release());  // open until the end

  offer_first(how.oom_score);
  rlimit core{};
  if (getrlimit(RLIMIT_CORE, &core) == 0) {
    core.rlim_cur = 0;  // a dump of gigabytes would keep a dead worker for seconds; a task may raise it again
    setrlimit(RLIMIT_CORE, &core);
  }
  signal(SIGINT, SIG_IGN);  // the terminal's Ctrl-C is for the driver, which ends the run in order
}

void be_born(const birth& how, child_files& files, platform::fd lifeline) noexcept {
  if (setpgid(0, how.group) != 0) setpgid(0, 0);  // the driver has left the session since
  follow_parent(how.zygote);
  CENTIMANE_FAULT("child.armed");

  platform::fd* const streams[] = {&files.in, &files.out, &files.err};
  for (int number = 0; number < 3; ++number) {
    platform::fd& stream = *streams[number];
    if (stream) {
      dup2(stream.get(), number);
      stream.reset();
    } else {
      close(number);
    }
  }
  platform::fd* const own[] = {&files.payload, &files.more, &files.death, &files.driver, &files.mail, &lifeline};
  std::array<int, std::size(own)> numbers{};
  for (std::size_t i = 0; i < std::size(own); ++i) {
    if (*own[i]) *own[i] = platform::move_high(std::move(*own[i]));
    numbers[i] = own[i]->get();
  }
  platform::close_all_but(numbers);
  platform::ensure_standard();
  hang_on(lifeline.release());  // open until the end
  (void)files.death.release();  // the same
  offer_first(how.oom_score);
  signal(SIGINT, SIG_DFL);
}

void let_signals_in() noexcept {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace centimane::engine
