// One run of centimane that goes wrong on purpose, for the fault suite: the C++ face's side. Reads a JSON plan from
// argv[1], runs it, prints one JSON line a run. scenario.py is the same program on the Python face; plans, deeds and
// what is printed are the same.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <centimane/centimane.hpp>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "both_faces.hpp"

namespace cm = centimane;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

const pid_t home = getpid();
int report = 1;

/// A text that does something while it is rebuilt.
struct text_that {
  std::string deed, text;
};

/// Not an std::exception: cannot travel as itself.
struct untravelled {
  std::string lock;
};

struct task {
  std::string deed;
  std::int64_t number = 0;
  text_that argument;
};

using answer = std::variant<std::int64_t, std::string, text_that>;

}  // namespace

template <>
struct cm::codec<text_that> {
  static void write(cm::writer& w, const text_that& t) {
    cm::codec<std::string>::write(w, t.deed);
    cm::codec<std::string>::write(w, t.text);
  }
  static text_that read(cm::reader& r) {
    text_that t{cm::codec<std::string>::read(r), cm::codec<std::string>::read(r)};
    if (t.deed == "raises") throw std::runtime_error("not to be rebuilt");
    if (t.deed == "dies") _exit(3);
    if (t.deed == "raises_at_home" && getpid() == home) throw std::runtime_error("not to be rebuilt at home");
    return t;
  }
};

namespace {

int overflow(volatile int* n) {
  volatile int here[1024];
  here[0] = *n + 1;
  return here[0] < 0 ? here[0] : overflow(here) + here[1];
}

[[noreturn]] void hang() {
  for (;;) pause();
}

void limit(int what, rlim_t soft, rlim_t hard) {
  const rlimit both{soft, hard};
  setrlimit(static_cast<__rlimit_resource>(what), &both);
}

answer squares_of_many(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
  const auto same = [](std::int64_t k) { return k; };
  std::int64_t sum = 0;
  for (const std::int64_t k : cm::parallel_map(same, numbers, {.executor = cm::process, .workers = 2}).values())
    sum += k;
  return sum;
}

answer work(const task& t);

answer depth_of(std::int64_t n) {
  if (n == 0) return std::int64_t{0};
  const std::vector<task> one{{"deeper", n - 1, {}}};
  const auto inner = cm::parallel_map(work, one, {.executor = cm::process, .workers = 1});
  if (!inner.ok()) inner.failures().front().error.rethrow();
  return std::get<std::int64_t>(inner.values().front()) + 1;
}

// One branch a deed, flat.
answer work(const task& t) {
  const std::string& deed = t.deed;
  const std::int64_t square = t.number * t.number;
  if (deed == "square") return square;
  if (deed == "pid") return std::int64_t{getpid()};
  if (deed == "square_when_told") {
    while (access((std::getenv("TMPDIR") + std::string("/go")).c_str(), F_OK) != 0) std::this_thread::sleep_for(1ms);
    return square;
  }
  if (deed == "sigkill") raise(SIGKILL);
  if (deed == "sigsegv") raise(SIGSEGV);
  if (deed == "sigabrt") std::abort();
  if (deed == "sigterm") raise(SIGTERM);
  if (deed == "sigstop") {
    raise(SIGSTOP);
    hang();
  }
  if (deed == "crash") return std::int64_t{*static_cast<volatile int*>(nullptr)};
  if (deed == "overflow") {
    volatile int zero = 0;
    return std::int64_t{overflow(&zero)};
  }
  if (deed == "exit") _exit(static_cast<int>(t.number));
  if (deed == "raise") throw std::invalid_argument("told to raise");
  if (deed == "raise_unpicklable") throw untravelled{"told to raise"};
  if (deed == "hang") hang();
  if (deed == "hang_busy") {
    for (volatile int n = 0;;) n = n + 1;
  }
  if (deed == "ignore_and_hang") {
    signal(SIGTERM, SIG_IGN);
    hang();
  }
  if (deed == "large") return std::string(static_cast<std::size_t>(t.number), 'x');
  if (deed == "echo" || deed == "argument") return t.argument.text;
  if (deed == "result_raises_at_home") return text_that{"raises_at_home", ""};
  if (deed == "close_all") {
    for (int n = 0; n < 1 << 16; ++n) close(n);
    return square;
  }
  if (deed == "dup_over") {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int n = 3; n < 1024; ++n) {
      if (n != null) dup2(null, n);
    }
    return square;
  }
  if (deed == "exec") execl("/bin/true", "true", nullptr);
  if (deed == "fork_return") {
    fork();
    return square;
  }
  if (deed == "leave_child") {
    if (fork() == 0) execlp("sleep", "sleep", "3600", nullptr);
    return square;
  }
  if (deed == "leave_daemon") {
    const pid_t child = fork();
    if (child == 0) {
      setsid();
      if (fork() == 0) execlp("sleep", "sleep", "3600", nullptr);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    return square;
  }
  if (deed == "leave_orphan") {
    const pid_t child = fork();
    if (child == 0) {
      fork();
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    return square;
  }
  if (deed == "eat") {
    std::vector<char> eaten(static_cast<std::size_t>(t.number), 'x');
    return static_cast<std::int64_t>(eaten.size());
  }
  if (deed == "leave_thread") {
    std::thread(hang).detach();
    return square;
  }
  if (deed == "change_state") {
    if (chdir("/") != 0) return std::int64_t{-1};
    umask(0777);
    signal(SIGTERM, SIG_IGN);
    return square;
  }
  if (deed == "print") {
    const std::string line(1023, 'p');
    for (std::int64_t n = 0; n < t.number; ++n) std::cout << line << '\n';
    std::cout.flush();
    return square;
  }
  if (deed == "close_standard") {
    for (int n : {0, 1, 2}) close(n);
    return square;
  }
  if (deed == "limit_cpu") {
    limit(RLIMIT_CPU, 1, 2);
    for (volatile int n = 0;;) n = n + 1;
  }
  if (deed == "limit_file") {
    limit(RLIMIT_FSIZE, 10, 10);
    std::string name = std::getenv("TMPDIR") + std::string("/limit-XXXXXX");
    const int file = mkstemp(name.data());
    unlink(name.c_str());
    const std::string bytes(100, 'x');
    return std::int64_t{write(file, bytes.data(), bytes.size()) + write(file, bytes.data(), bytes.size())};
  }
  if (deed == "limit_memory") {
    limit(RLIMIT_AS, 1 << 20, 1 << 20);
    return std::string(1 << 30, 'x');
  }
  if (deed == "nested") return squares_of_many(t.number);
  if (deed == "deeper") return depth_of(t.number);
  if (deed == "kill_zygote") {
    kill(getppid(), SIGKILL);
    hang();
  }
  if (deed == "never_ends") {
    std::atexit([] { hang(); });
    return square;
  }
  if (deed == "dies_at_its_end") {
    std::atexit([] { _exit(5); });
    return square;
  }
  throw std::logic_error("no such deed: " + deed);
}

task task_of(const json& one) {
  task t{one[0], one[1].is_number() ? one[1].get<std::int64_t>() : 0, {}};
  if (t.deed == "echo") t.argument.text.assign(static_cast<std::size_t>(t.number), 'x');
  if (t.deed.starts_with("argument_")) {
    t.argument.deed = t.deed.substr(std::strlen("argument_"));
    t.deed = "argument";
  }
  return t;
}

void say(const json& what) {
  const std::string line = what.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  for (std::size_t at = 0; at < line.size();) {
    const ssize_t n = write(report, line.data() + at, line.size() - at);
    if (n > 0) at += static_cast<std::size_t>(n);
  }
}

json told_of(const answer& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return {{"value", *number}};
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return {{"value", "text_that"}};
  if (text->size() < 200) return {{"value", *text}};
  return {{"value", "str of " + std::to_string(text->size())}};
}

/// The error's name in the spelling of the table, which is Python's.
std::string name_of(const cm::any_error& e) {
  if (e.as<cm::worker_died>() != nullptr) return "WorkerDied";
  if (e.as<cm::task_timeout>() != nullptr) return "TaskTimeout";
  if (e.as<cm::payload_error>() != nullptr) return "PayloadError";
  if (e.as<cm::remote_error>() != nullptr) return "RemoteError";
  if (e.as<cm::start_failed>() != nullptr) return "StartFailed";
  if (e.as<cm::resource_limit>() != nullptr) return "ResourceLimit";
  if (e.as<cm::pool_forked>() != nullptr) return "PoolForked";
  if (e.as<cm::cancelled>() != nullptr) return "Cancelled";
  if (e.as<cm::nesting_error>() != nullptr) return "NestingError";
  return std::string(e.type_name());
}

json told_of(const cm::any_error& e) {
  json told{{"error", name_of(e)}, {"text", e.what()}};
  if (const auto* died = e.as<cm::worker_died>()) {
    told["stage"] = died->stage();
    told["signal"] = died->signal();
    if (died->exit_code()) told["exit_code"] = *died->exit_code();
    told["stack"] = died->stack();
    told["likely_oom"] = died->likely_oom();
    told["poison"] = died->poison();
  }
  if (const auto* late = e.as<cm::task_timeout>()) told["stack"] = late->stack();
  if (const auto* payload = e.as<cm::payload_error>()) told["stage"] = payload->stage();
  return told;
}

/// Runs until the scene is told to end, each with a line that tells whose work it was; what was wrong in any of them.
json again_and_again(const std::vector<task>& tasks, const cm::map_options<answer>& how) {
  const std::string told = std::getenv("TMPDIR") + std::string("/go");
  int runs = 0, lost = 0;
  json wrong = json::array();
  while (access(told.c_str(), F_OK) != 0) {
    std::set<std::int64_t> pids;
    auto result = cm::parallel_map(work, tasks, how);
    for (const auto& [index, error] : result.failures()) {
      if (error.as<cm::worker_died>() != nullptr) {
        ++lost;
      } else if (wrong.size() < 10) {
        wrong.push_back(told_of(error));
      }
    }
    for (auto [index, value] : result.successes()) {
      const auto& [deed, number, argument] = tasks[index];
      const std::int64_t got = std::get<std::int64_t>(value);
      if (deed == "pid") {
        pids.insert(got);
      } else if (got != number * number && wrong.size() < 10) {
        wrong.push_back(told_of(value));
      }
    }
    if (result.successes().size() + result.failures().size() != tasks.size()) wrong.push_back("an item has no outcome");
    ++runs;
    say({{"event", "run"}, {"pids", pids}});
  }
  return {{"runs", runs}, {"lost", lost}, {"wrong", wrong}};
}

json run(const json& plan) {
  if (plan.value("wait", false)) {
    say({{"event", "idle"}});
    char byte = 0;
    if (read(plan["go"].get<int>(), &byte, 1) != 1) std::abort();
  }
  cm::map_options<answer> how{.executor = cm::process, .workers = 2};
  const json options = plan.value("options", json::object());
  if (options.contains("workers")) how.workers = options["workers"].get<int>();
  if (options.contains("task_timeout")) how.task_timeout = options["task_timeout"].get<double>() * 1s;
  if (options.contains("max_tasks_per_worker")) how.max_tasks_per_worker = options["max_tasks_per_worker"].get<int>();
  if (options.value("contained", false)) how.worker_init = cm::contain_processes;
  if (options.contains("attempts"))
    how.retry = cm::retry{.attempts = options["attempts"].get<int>(), .on = cm::errors<cm::worker_died>};
  if (plan.value("announce", false)) {
    how.on_result = [announced = false](const cm::item_result<answer>&) mutable {
      if (!std::exchange(announced, true)) say({{"event", "running"}});
    };
  }
  std::vector<task> tasks;
  for (int k = 0; k < plan.value("times", 1); ++k) {
    for (const json& one : plan["tasks"]) tasks.push_back(task_of(one));
  }
  if (plan.value("until_told", false)) return again_and_again(tasks, how);
  auto result = cm::parallel_map(work, tasks, how);
  std::vector<json> outcomes(tasks.size());
  for (auto [index, value] : result.successes()) outcomes[index] = told_of(value);
  for (const auto& [index, error] : result.failures()) outcomes[index] = told_of(error);
  return {{"status", result.status() == cm::run_status::completed ? "completed" : "not completed"},
          {"ok", result.ok()},
          {"outcomes", outcomes}};
}

json run_or_tell(const json& plan) {
  try {
    return run(plan);
  } catch (...) {
    const cm::any_error raised(std::current_exception());
    return {{"raised", name_of(raised)}, {"text", raised.what()}};
  }
}

void prepare(const json& plan) {
  const std::string before = plan.value("before", "");
  if (before == "ignore_sigchld") signal(SIGCHLD, SIG_IGN);
  if (before == "ignore_sigint") signal(SIGINT, SIG_IGN);
  if (before == "interval_timer") {
    struct sigaction act {};
    act.sa_handler = [](int) {};
    sigaction(SIGALRM, &act, nullptr);
    const itimerval each{{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &each, nullptr);
  }
  if (before == "close_standard") {
    for (int n : {0, 1, 2}) close(n);
  }
  if (before == "few_descriptors") {
    const rlim_t n = plan["descriptors"].get<rlim_t>();
    limit(RLIMIT_NOFILE, n, n);
  }
  if (before == "directory_gone") {
    std::string name = std::getenv("TMPDIR") + std::string("/gone-XXXXXX");
    if (mkdtemp(name.data()) == nullptr || chdir(name.c_str()) != 0 || rmdir(name.c_str()) != 0) std::abort();
  }
}

/// Whoever waits for any child.
void reap_all() {
  for (;;) {
    if (waitpid(-1, nullptr, 0) < 0) std::this_thread::sleep_for(1ms);
  }
}

void finish(const json& plan) {
  const std::string after = plan.value("after", "");
  if (after == "fork_and_use") {
    const pid_t child = fork();
    if (child == 0) {
      say(run_or_tell(plan["runs"][0]));
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  if (after == "fork_and_wait") {
    const pid_t child = fork();
    if (child == 0) hang();
    say({{"child", child}});
    hang();
  }
  if (after == "exit_at_once") _exit(0);
  if (after == "exec") execl("/bin/true", "true", nullptr);
  if (after == "wait") {
    say({{"event", "idle"}});
    hang();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const json plan = json::parse(argv[1]);
  if (plan.contains("both_faces")) return both_faces(plan);
  report = plan.value("report", 1);
  prepare(plan);
  try {
    cm::init(argc, argv);
  } catch (...) {
    const cm::any_error raised(std::current_exception());
    say({{"raised", name_of(raised)}, {"text", raised.what()}});
    return 0;
  }
  if (plan.value("before", "") == "reap_all") std::thread(reap_all).detach();
  for (const json& one : plan["runs"]) {
    if (plan.value("in_thread", false)) {
      std::thread([&] { say(run_or_tell(one)); }).join();
    } else {
      say(run_or_tell(one));
    }
  }
  finish(plan);
}
