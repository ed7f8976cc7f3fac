// What tasks start ends with their worker process, daemons included.
//
//   cm::parallel_map(convert, files, {.executor = cm::process, .worker_init = cm::contain_processes});
//
// What a task leaves in its worker's process group ends with the worker in any case: subprocesses that nobody detached.
// What has left the group (setsid, a double fork, `nohup … &` of a shell with job control) goes on, as it would after
// any program, and the log says how many do. In a worker that has called contain_processes they are killed as well,
// whatever ends the worker: its timeout, a crash, its last task, the end of the program.
#pragma once

namespace centimane {
inline namespace v0 {

/// Call it in a worker process, best as its initializer: all workers of a pool or none. From then on orphans of its
/// tasks are children of the worker itself (it is a "subreaper", prctl(2)), so a task that waits for any child may meet
/// them. Only the death of the pool's zygote, which nothing but a SIGKILL from outside brings, lets them escape.
///
/// Throws std::logic_error outside of worker processes, std::system_error where the system does not tell a process its
/// children (no /proc, a kernel without CONFIG_PROC_CHILDREN). Thread safety: any thread, any number of times. Cost:
/// two system calls, and at the end of a worker some microseconds for each process.
void contain_processes();

}  // namespace v0
}  // namespace centimane
