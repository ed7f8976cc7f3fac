"""What tasks start ends with their worker process, daemons included."""

from __future__ import annotations

from . import _core


def contain_processes() -> None:
    """In a worker process: from now on, whatever its tasks start ends with it, daemons included.

    Made to be an initializer, for all workers of a pool::

        parallel_map(convert, files, executor="process", worker_init=centimane.contain_processes)
        ProcessPoolExecutor(4, initializer=centimane.contain_processes)

    What a task leaves in its worker's process group (subprocesses that nobody detached) ends with the worker in any case. What has left the
    group (``start_new_session=True``, ``setsid``, a double fork) goes on, as it would after any program, and a line on stderr says how many
    do. In a worker that has called this, they are killed as well, whatever ends the worker: a task's timeout, a crash, its last task, the end
    of the program. Orphans of its tasks become children of the worker itself (it is a "subreaper", prctl(2)), so a task that waits for any
    child (``os.wait()``) may meet them. Only the death of the pool's zygote, which nothing but a SIGKILL from outside brings, lets them escape.

    Raises:
        RuntimeError: this is no worker process.
        OSError: the system does not tell a process its children (no /proc, a kernel without CONFIG_PROC_CHILDREN).

    Any thread may call it, any number of times. It costs two system calls, and some microseconds a process when a worker ends.
    """
    _core.contain_processes()
