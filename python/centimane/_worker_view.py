"""The worker processes of executors and pools, for programs that look at them though the standard library calls them private."""

from __future__ import annotations

import os
import select
import signal
import time

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class WorkerView:
    """A worker process, as far as others may know it.

    Signals go to that worker or to nobody: once it has ended, whoever is given its number next is left alone.
    """

    def __init__(self, find_pool: Callable[[], _core.Pool | None], pid: int) -> None:
        self._find_pool = find_pool  # not the pool itself: who keeps a view keeps no descriptors
        self.pid = pid

    def is_alive(self) -> bool:
        """Is it there?"""
        pool = self._find_pool()
        return pool is not None and any(pid == self.pid for _, pid, _, _ in pool.status())

    def join(self, timeout: float | None = None) -> None:
        """Waits until it has ended, or for so many seconds."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.is_alive():  # so the descriptor is of the worker, not of a process that was given its number
                select.select([descriptor], [], [], timeout)
        finally:
            os.close(descriptor)

    def terminate(self) -> None:
        """Sends SIGTERM. One that has ended is no error."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL. One that has ended is no error."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        pool = self._find_pool()
        if pool is not None:
            pool.signal_worker(self.pid, number)


def views(find_pool: Callable[[], _core.Pool | None], least: int) -> list[WorkerView]:
    """A pool's workers, at least so many: waits until all have been forked, but no longer than ten seconds."""
    pool = find_pool()
    if pool is None:
        return []
    latest = time.monotonic() + 10
    while True:
        workers = pool.status()
        if (len(workers) >= least and all(pid for _, pid, _, _ in workers)) or time.monotonic() > latest:
            return [WorkerView(find_pool, pid) for _, pid, _, _ in workers if pid]
        time.sleep(0.0005)  # just being forked
