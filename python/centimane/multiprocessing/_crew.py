"""What carries a pool's tasks: the task core of ``centimane.futures``, its threads, and how they end.

A pool refers to its crew and to its carrier, and neither of them to the pool. Tasks are submitted to the carrier; once nobody refers to
it, no more can come: then what was submitted goes on to its end, and the crew ends.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import threading

from .. import _chunks, _core, _processes, _worker_view
from .. import futures as _futures  # pyright: ignore[reportUnusedImport]  # noqa: F401  # tells the engine of Future
from .._errors import PayloadError
from .._process_tasks import Teller, process_tasks
from ._callbacks import Caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

CLOSED = "the pool is closed"
_TERMINATE_GRACE = 1.0
_live: set[Crew] = set()
"""Those whose tasks may still run: what they run ends with the interpreter, as in the standard library."""


class Crew:
    """The part that both kinds of pools have in common.

    Attributes:
        caller: calls the pool's callbacks.
        terminated: what has no outcome will have none.
    """

    def __init__(self) -> None:
        self.caller = Caller()
        self.terminated = False
        self._lock = threading.Lock()
        self._feeders: set[threading.Thread] = set()
        self._closing = False

    def feed(self, work: Callable[[], None]) -> None:
        """Does it in a thread of its own; the crew takes tasks until it is done. Not after ``close``."""

        def live() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._feeders.discard(threading.current_thread())
                    last = self._closing and not self._feeders
                if last:
                    self._end()

        thread = threading.Thread(target=live, name="centimane-feeder", daemon=True)
        with self._lock:
            self._feeders.add(thread)
        try:
            thread.start()
        except BaseException:
            self._feeders.discard(thread)
            raise

    def close(self) -> None:
        """Takes no more tasks than those that are being fed."""
        with self._lock:
            self._closing = True
            last = not self._feeders
        if last:
            self._end()

    def _end(self) -> None:
        """Nothing more is taken."""
        raise NotImplementedError

    def terminate(self) -> None:
        """Ends everything that can be ended."""
        raise NotImplementedError

    def join(self) -> None:
        """After ``close`` or ``terminate``: returns when everything has ended, callbacks included."""
        if not self.terminated:
            for feeder in list(self._feeders):
                feeder.join()
        for thread in self._threads():
            if thread is not threading.current_thread():
                thread.join()
        self.caller.join()

    def _threads(self) -> list[threading.Thread]:
        raise NotImplementedError


class ProcessCarrier(_core.ProcessSubmitter):
    """Takes tasks for processes."""

    submit_chunk = _core.ProcessSubmitter._submit_chunk  # pyright: ignore[reportPrivateUsage]


class ThreadCarrier(_core.ThreadSubmitter):
    """Takes tasks for threads."""

    def submit_chunk(self, fn: Callable[..., Any], items: tuple[Any, ...], star: bool, /) -> Future[list[Any]]:
        """One task for the calls with each of the items."""
        return self.submit(_chunks.each_star if star else _chunks.each, fn, items)


class ProcessCrew(Crew):
    """Worker processes.

    Args:
        workers: how many; all are started at once.
        initializer: called in each before its first task.
        max_tasks: each is replaced after so many tasks.
        fork: they are copies of this process; None: only if ``initializer`` holds what can only be inherited.
    """

    def __init__(
        self, workers: int, initializer: Callable[[], object] | None, max_tasks: int | None, fork: bool | None
    ) -> None:
        super().__init__()
        try:
            pool = _processes.own_pool(workers, initializer, max_tasks, fork=bool(fork))
        except PayloadError as error:
            if fork is not None or "inheritance" not in str(error.__cause__):
                raise
            fork = True
            pool = _processes.own_pool(workers, initializer, max_tasks, fork=True)
        self.workers = workers
        self.pool: _core.Pool | None = pool
        self.tasks = process_tasks(pool, "centimane.multiprocessing._faults", forked=bool(fork))
        self._teller = Teller(self.tasks)
        self._settler = threading.Thread(target=self._settle, name="centimane-settler", daemon=True)
        _live.add(self)
        try:
            self._settler.start()
        except BaseException:
            _live.discard(self)
            pool.close(0)
            raise
        pool.prepare()

    def carrier(self) -> ProcessCarrier:
        """Where tasks are submitted; asked for once."""
        made = ProcessCarrier()
        self.tasks.attach_to(made)
        return made

    def _end(self) -> None:
        self.tasks.end(CLOSED)

    def _settle(self) -> None:
        try:
            self._teller.settle()
        finally:
            self.pool = None  # who keeps the pool keeps no descriptors
            _live.discard(self)
            self.caller.end()

    def terminate(self) -> None:
        """Asks what runs to end by SIGTERM, kills what is left after a second."""
        self.terminated = True
        pool = self.pool
        self.tasks.end(CLOSED)
        self.tasks.cancel_waiting()
        asked = 0 if pool is None else pool.signal(signal.SIGTERM, busy_only=True)
        self.tasks.kill(_TERMINATE_GRACE if asked else 0.0)
        if self._settler is not threading.current_thread():
            self._settler.join()
        self._teller.join()

    def join(self) -> None:
        """Returns also when what tasks printed and logged is out."""
        super().join()
        self._teller.join()

    def views(self) -> list[_worker_view.WorkerView]:
        """The workers."""
        return _worker_view.views(lambda: self.pool, self.workers)

    def _threads(self) -> list[threading.Thread]:
        return [self._settler]


class ThreadCrew(Crew):
    """Threads.

    Args:
        workers: how many; all are started at once.
        initializer: called on each before its first task.
    """

    def __init__(self, workers: int, initializer: Callable[[], object] | None) -> None:
        super().__init__()
        self._all: list[threading.Thread] = []
        self._at_work = 0
        failures: list[BaseException] = []
        self.tasks = _core.ThreadTasks(
            most=workers,
            start=self._start,
            initializer=initializer,
            init_failed=failures.append,
            broken=functools.partial(_not_started, failures),
        )
        _live.add(self)
        try:
            self.tasks.prepare()
        except BaseException:
            self.terminate()
            raise

    def carrier(self) -> ThreadCarrier:
        """Where tasks are submitted; asked for once."""
        made = ThreadCarrier()
        self.tasks.attach_to(made)
        return made

    def _end(self) -> None:
        self.tasks.end(CLOSED)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"centimane-thread-{len(self._all)}", daemon=True)
        with self._lock:
            self._at_work += 1
        try:
            thread.start()
        except BaseException:
            self._leave()
            raise
        self._all.append(thread)

    def _work(self) -> None:
        try:
            self.tasks.work()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._at_work -= 1
            last = self._at_work == 0
        if last:
            _live.discard(self)
            self.caller.end()

    def terminate(self) -> None:
        """Cancels what has not begun; what runs on a thread cannot be ended."""
        self.terminated = True
        self.tasks.cancel_waiting()
        self.tasks.end(CLOSED)

    def views(self) -> list[threading.Thread]:
        """The threads."""
        return list(self._all)

    def _threads(self) -> list[threading.Thread]:
        return self._all


def of_processes(
    workers: int,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    max_tasks: int | None,
    fork: bool | None,
) -> ProcessCrew:
    """Worker processes with what the constructor of a pool was given."""
    return ProcessCrew(workers, _bound(initializer, initargs), max_tasks, fork)


def of_threads(workers: int, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> ThreadCrew:
    """Threads with what the constructor of a pool was given."""
    return ThreadCrew(workers, _bound(initializer, initargs))


def _bound(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> Callable[[], object] | None:
    return None if initializer is None else functools.partial(initializer, *initargs)


def _not_started(failures: list[BaseException], _text: str) -> BaseException:
    from .._errors import StartFailed

    error = StartFailed("a thread's initializer raised: the pool is of no use any more")
    error.__cause__ = failures[0] if failures else None
    return error


def _at_exit() -> None:
    for crew in list(_live):
        crew.terminate()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_live.clear)  # they are the parent's
