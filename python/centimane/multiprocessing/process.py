"""``Process``, as ``multiprocessing.process`` has it, forked by the zygote."""

from __future__ import annotations

from multiprocessing.process import BaseProcess, active_children, current_process, parent_process
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["BaseProcess", "Process", "active_children", "current_process", "parent_process"]


class Process(BaseProcess):
    """One function in a process of its own: ``multiprocessing.Process``, without a guard and without leftovers.

    Whatever is named by it goes by value if it must: lambdas, closures, what lives in ``__main__`` or in a notebook. The main module is
    never executed again; what it defines can be named there (an item of a queue that is an instance of a class of ``__main__``). The
    process takes over directory, environment, ``sys.path`` and ``sys.argv`` as they are at ``start``, and the standard streams:
    what it prints goes straight to this program's standard output, an exception that nobody catches to its standard error.

    A daemon is terminated when this program ends; what is none is joined. And when this program ends in any other way, by a SIGKILL
    for instance, it ends within a second.

    Args:
        group: None.
        target: what it calls; the default ``run`` calls nothing without one.
        name: its name; ``Process-1`` and so on by default.
        args: positional arguments.
        kwargs: keyword arguments.
        daemon: None: as the process that makes it.

    Attributes:
        exitcode: None while it runs; 0, or what it gave to ``sys.exit``; 1 after an exception; -N if signal N ended it.
        sentinel: a descriptor that is readable from its end on, for ``multiprocessing.connection.wait``.

    ``start`` raises ``PayloadError`` (which is also what pickle raised) for what cannot travel, with the path to it, and ``NestingError``
    for processes of processes, six deep.

    Thread safety: any thread of the process that made it may start, join and end it. Cost: a start and a join take some one to two
    milliseconds; the first one starts the interpreter that forks the others, which takes as long as any interpreter.
    """

    _start_method: str | None = None

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        from ._context import default

        return default.get_context().Process._Popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        """Nothing: what a fork must forget has been forgotten before this object was read."""
