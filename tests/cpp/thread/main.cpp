// Runs the tests of a program of this folder, each with the check that it leaves nothing behind. The pool that lives as
// long as the process is there before.
#include "centimane/thread_pool.hpp"
#include "leak_check.hpp"

int main(int argc, char** argv) {
  centimane::test::mark_processes(argv);
  centimane::thread_pool::shared();
  return centimane::test::run_all(argc, argv);
}
