// First line of main in a program that uses worker processes.
#pragma once

namespace centimane {
inline namespace v0 {

/// Forks the clean process that makes workers, while this one has a single thread; nothing is exec'ed, so no static
/// initialiser runs twice and functions have the same address everywhere. Idempotent. A program that does not call it
/// may still use processes if it has one thread at their first use. Throws start_failed if the process already has
/// other threads. Cost: 0.2 ms. What main has set up before (environment, directory, open files but 0-2 closed) is what
/// workers start from.
void init();
/// The same; takes main's arguments for symmetry with MPI and leaves them alone.
void init(int& argc, char**& argv);

}  // namespace v0
}  // namespace centimane
