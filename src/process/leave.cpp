#include "process/leave.hpp"

#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

// Present only in instrumented programs.
extern "C" {
void __gcov_dump() __attribute__((weak));
int __llvm_profile_write_file() __attribute__((weak));
void __lsan_do_leak_check() __attribute__((weak));
}

namespace centimane::engine {
namespace {

void write_profiles() noexcept {
  if (__gcov_dump != nullptr) __gcov_dump();
  if (__llvm_profile_write_file != nullptr) (void)__llvm_profile_write_file();
}

}  // namespace

void drop_inherited_output() noexcept { __fpurge(stdout); }

void flush_output() noexcept {
  try {
    std::cout.flush();
  } catch (...) {  // cout.exceptions() may be set
  }
  if (__fpending(stdout) != 0) std::fflush(stdout);
}

void leave(int code) noexcept {
  flush_output();
  write_profiles();
  if (__lsan_do_leak_check != nullptr) __lsan_do_leak_check();
  _exit(code);
}

void leave_quietly(int code) noexcept {
  write_profiles();
  _exit(code);
}

}  // namespace centimane::engine
