"""The task core of process executors and pools, given what the package makes of a task: how it is shipped, what its faults become."""

from __future__ import annotations

import threading
from importlib import import_module

from . import _core, _executor_ends, _pickling, _shipping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def process_tasks(pool: _core.Pool, faults: str, *, forked: bool, break_on_death: bool = False) -> _core.ProcessTasks:
    """Tasks for a pool of their own.

    Args:
        pool: the pool.
        faults: the name of the module that makes exceptions of faults; it is loaded when the first is met.
        forked: the workers are copies of this process, and have its ``__main__``.
        break_on_death: a dead worker fails all that is open.
    """

    def fault(name: str) -> Callable[..., Any]:
        return lambda *account: getattr(import_module(faults), name)(*account)

    return _core.ProcessTasks(
        pool=pool,
        break_on_death=break_on_death,
        trouble=fault("from_trouble"),
        rebuild=fault("rebuild"),
        broken=fault("broken"),
        unsendable=fault("unsendable"),
        ship=_shipping.ship,
        rescue=_pickling.rescue,
        hear=_hear,
        main_names=None if forked else _pickling.MainNames(),
    )


def _hear(kind: int, what: bytes, task: int, worker: int) -> None:
    from ._hear import deliver_or_report

    deliver_or_report(kind, what, task, worker)


class Teller:
    """Tells what an executor's tasks print and log, on a thread that starts with the first word.

    Handlers and streams are the user's: they may block, and may use the executor. So no thread that settles futures calls them.
    """

    PATIENCE = 10.0
    """Seconds that one word may take: its handler may want something of the very thread that waits for it here."""

    def __init__(self, tasks: _core.ProcessTasks) -> None:
        self.settled = False
        self._tasks = tasks
        self._thread: threading.Thread | None = None

    def settle(self) -> None:
        """The whole life of the executor's settler, which meets the first word."""
        try:
            self._tasks.settle(self._start)
        finally:
            self.settled = True

    def _start(self) -> None:
        thread = threading.Thread(target=self._live, name="centimane-teller", daemon=True)
        self._thread = thread
        _executor_ends.tellers.add(self)
        try:
            thread.start()
        except BaseException:
            _executor_ends.tellers.discard(self)
            raise

    def _live(self) -> None:
        try:
            self._tasks.tell()
        finally:
            _executor_ends.tellers.discard(self)

    def join(self) -> None:
        """After the settler: returns when everything is told, or at once in a handler that is being told it."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        told = -1
        while thread.is_alive() and told != self._tasks.told:
            told = self._tasks.told
            thread.join(self.PATIENCE)
