"""How executors begin and end. At the interpreter's end what was submitted is carried to its own before threads must not wait any more."""

from __future__ import annotations

import os
import threading

from . import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Endable(Protocol):
        """What carries an executor's tasks."""

        def end(self, why: str) -> None:
            """Takes nothing more."""

    class Telling(Protocol):
        """What tells the words of an executor's tasks."""

        settled: bool

        def join(self) -> None:
            """Waits until all is told."""


AT_EXIT = "cannot schedule new futures after interpreter shutdown"
AFTER_SHUTDOWN = "cannot schedule new futures after shutdown"

ending = False
"""The interpreter ends: no executor begins any more."""

_live: dict[threading.Thread, Endable] = {}
tellers: set[Telling] = set()
"""Those that are at work."""


def checked_workers(most: object) -> int:
    """``max_workers``, in the standard library's words where it is refused."""
    number = _check.whole("max_workers", most, least=None)
    if number <= 0:
        raise ValueError("max_workers must be greater than 0")
    return number


def check_open(shut: bool) -> None:
    """An executor begins: not after its shutdown, and not at the interpreter's end."""
    if ending:
        raise RuntimeError(AT_EXIT)
    if shut:
        raise RuntimeError(AFTER_SHUTDOWN)


def start(thread: threading.Thread, tasks: Endable) -> None:
    """Starts an executor's thread, which the interpreter's end waits for."""
    _live[thread] = tasks
    try:
        thread.start()
    except BaseException:
        del _live[thread]
        raise


def left() -> None:
    """The present thread's executor has ended."""
    _live.pop(threading.current_thread(), None)


def _at_exit() -> None:
    global ending
    ending = True
    everything = list(_live.items())
    for _, tasks in everything:
        tasks.end(AT_EXIT)
    for thread, _ in everything:
        thread.join()
    for teller in list(tellers):
        if teller.settled:  # a pool's is waited for by the pool's own end
            teller.join()


def _after_fork_in_child() -> None:
    _live.clear()  # its threads are not here
    tellers.clear()


threading._register_atexit(_at_exit)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
os.register_at_fork(after_in_child=_after_fork_in_child)
