#include "process/obituary.hpp"

#include <csignal>
#include <cstring>

namespace centimane::engine {
namespace {

stage stage_of(const ending& end) {
  if (end.broke_protocol) return stage::protocol;
  if (end.with_zygote) return stage::zygote;
  switch (end.at) {
    case phase::open:
      return stage::read_args;
    case phase::write:
      return stage::write_result;
    default:
      return stage::run;
  }
}

/// What a signal tells beyond its name.
const char* hint(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "; an invalid memory access, or a stack overflow";
    case SIGXCPU:
      return "; it passed its limit of CPU time (RLIMIT_CPU)";
    case SIGXFSZ:
      return "; a file passed the limit of its size (RLIMIT_FSIZE)";
    case SIGBUS:
      return "; a mapped file was truncated, or its file system is full";
    default:
      return "";
  }
}

std::string how(const ending& end) {
  if (end.unkillable)
    return "does not end: it waits in the kernel, where SIGKILL does not reach it, and is left to itself";
  if (end.broke_protocol) return "was killed because it wrote into the engine's memory";
  // Whoever dies closes its channel too, and that may be seen first. A signal that is not our own SIGKILL says more.
  if (end.closed_channel && (!end.known || end.signal == 0 || end.signal == SIGKILL)) {
    std::string text = "closed its channel: the task closed all descriptors or called exec";
    if (end.known && end.signal == 0) text += ", and exited with code " + std::to_string(end.exit_code);
    return text;
  }
  if (end.with_zygote) return "went with its zygote, which was killed";
  if (!end.known) return "ended; its exit status is unknown";
  if (end.signal != 0) {
    std::string text = "was killed by signal " + std::to_string(end.signal) + " (" + signal_name(end.signal) + ")";
    text += hint(end.signal);
    if (end.oom) text += "; likely the kernel's out-of-memory killer";
    return text;
  }
  return "exited with code " + std::to_string(end.exit_code);
}

trouble account(const ending& end) {
  trouble t;
  t.how = policy::outcome::died;
  t.signal = end.signal;
  t.exit_code = end.exit_code;
  t.pid = end.pid;
  t.worker = end.worker;
  t.likely_oom = end.oom;
  t.unkillable = end.unkillable;
  t.stack = end.text;
  return t;
}

}  // namespace

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string one_line(const ending& end) {
  return "worker " + std::to_string(end.worker) + " (pid " + std::to_string(end.pid) + ") " + how(end);
}

std::string detached(const ending& end, int n) {
  return "worker " + std::to_string(end.worker) + " (pid " + std::to_string(end.pid) + ") has ended, and " +
         std::to_string(n) + (n == 1 ? " process" : " processes") +
         " that its tasks had detached from it (setsid, daemons) " + (n == 1 ? "goes" : "go") +
         " on: contain_processes as the worker's initializer would end them with it";
}

trouble died_in_hand(const ending& end) {
  trouble t = account(end);
  t.where = stage_of(end);
  t.began = end.began;
  t.text = one_line(end);
  return t;
}

trouble died_unbegun(const ending& end) {
  trouble t = account(end);
  t.where = stage::claim;
  t.text = "its workers died again and again before it could begin; the last: " + one_line(end);
  return t;
}

trouble never_started(const ending& last) {
  trouble t = account(last);
  t.where = stage::start;
  t.text = "workers cannot start; the last: " + one_line(last);
  return t;
}

}  // namespace centimane::engine
