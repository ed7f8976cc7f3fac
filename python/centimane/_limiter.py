"""``Limiter``: one budget of starts, shared by as many runs, functions, threads and event loops as hold it."""

from __future__ import annotations

import os
import time
from _thread import RLock, allocate_lock
from collections import deque

from . import _check, _core
from ._policies import RateLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from typing import Any


class _Waiting:
    """A place in the line, of a thread: it sleeps on a lock until it is at the head."""

    def __init__(self) -> None:
        self._turn = allocate_lock()
        self._turn.acquire()

    def wake(self) -> None:
        self._turn.release()

    def sleep(self, seconds: float) -> bool:
        return self._turn.acquire(timeout=min(seconds, 1e6))


class _WaitingInLoop:
    """A place in the line, of a task: it awaits a future of its loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self.turn: Future[None] = loop.create_future()

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self._come)

    def _come(self) -> None:
        if not self.turn.done():
            self.turn.set_result(None)


class _Line:
    """Who waits for a limiter's token, first come, first served: only the head asks for one, and sleeps until there is one."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler of the thread that holds it may wait too
        self._places: deque[_Waiting | _WaitingInLoop] = deque()
        self.born = _core.fork_generation()

    @property
    def length(self) -> int:
        return len(self._places)

    def join(self, place: _Waiting | _WaitingInLoop) -> bool:
        """True: it is at the head already, and will not be woken."""
        with self._lock:
            self._places.append(place)
            return self._places[0] is place

    def leave(self, place: _Waiting | _WaitingInLoop) -> None:
        with self._lock:
            was_head = self._places[0] is place
            self._places.remove(place)
            while was_head and self._places:
                try:
                    self._places[0].wake()
                    return
                except RuntimeError:  # its loop is closed: nobody is there
                    self._places.popleft()


class Limiter:
    """Enforces a ``RateLimit`` over everything that draws from it: give the same one to several runs as ``rate_limit=``.

    Args:
        rate_limit: a ``RateLimit``, or a number of starts a second.
        shared: a file by which processes of this user and machine share the budget: all that name it draw from one, those of C++
            programs too. It is made if it is not there (mode 0600), on a file system of this machine, no network's, and begun anew
            after a restart of the machine. Nothing needs closing, and a process that is killed at any point holds nobody up. Delete it
            only when nobody uses it. None: the limiter is this process's own.

    A run takes a token when an attempt starts. Who waits by ``wait`` or ``wait_async`` stands in one line, first come, first served, and
    sleeps until the moment when there will be a token; runs, and other processes, take theirs beside it: between them, who takes first
    has it. A limiter belongs to its process and cannot be pickled, unless it is shared by a file: a copy draws from the same.

    Raises:
        TypeError: a bad argument.
        ValueError: a rate that is not more than 0; a file that is not a limiter's, is for another rate, or that another user owns or may
            write to.
        OSError: the file cannot be opened or made.

    Thread safety: any thread, any event loop. Cost: a fraction of a microsecond a token.
    """

    def __init__(self, rate_limit: RateLimit | float, *, shared: str | os.PathLike[str] | None = None) -> None:
        if not isinstance(rate_limit, RateLimit):
            rate_limit = RateLimit(rate_limit)
        self._rate_limit = rate_limit
        self._shared = None if shared is None else _file("shared", shared)
        place = b"" if self._shared is None else os.fsencode(self._shared)
        self._core = _core.Limiter(between=rate_limit.nanoseconds, burst=rate_limit.burst, shared=place)
        self._waiting = _Line()

    @property
    def rate_limit(self) -> RateLimit:
        """What it enforces."""
        return self._rate_limit

    @property
    def shared(self) -> str | None:
        """The file by which processes share it, as a whole path; None: it is this process's own."""
        return self._shared

    @property
    def core(self) -> _core.Limiter:
        """What the engine draws from."""
        return self._core

    def wait(self, timeout: float | None = None) -> bool:
        """Takes a token, waiting for it.

        Args:
            timeout: seconds; None: no limit. A wait for a token that would be longer is not begun.

        Returns:
            False: no token within ``timeout``; none was taken.

        Raises:
            TypeError, ValueError: ``timeout`` is no number of at least 0.
        """
        if timeout is not None:
            timeout = _check.pause("timeout", timeout)
        line = self._line()
        if line.length == 0 and self._core.take() == 0:
            return True
        until = None if timeout is None else time.monotonic() + timeout
        place = _Waiting()
        at_head = line.join(place)
        try:
            if not at_head and not place.sleep(1e6 if until is None else max(0.0, until - time.monotonic())):
                return False
            while (delay := self._core.take()) > 0:
                if until is not None and time.monotonic() + delay > until:
                    return False
                time.sleep(delay)
            return True
        finally:
            line.leave(place)

    async def wait_async(self) -> None:
        """The same in an event loop, in the same line. Cancelled while it waits, it has taken none."""
        line = self._line()
        if line.length == 0 and self._core.take() == 0:
            return
        from asyncio import get_running_loop, sleep

        place = _WaitingInLoop(get_running_loop())
        at_head = line.join(place)
        try:
            if not at_head:
                await place.turn
            while (delay := self._core.take()) > 0:
                await sleep(delay)
        finally:
            line.leave(place)

    def _line(self) -> _Line:
        if self._waiting.born != _core.fork_generation():
            self._waiting = _Line()  # those who waited are not in this copy of the process
        return self._waiting

    def pause(self, seconds: float) -> None:
        """No token before ``seconds`` from now, for nobody: what a service that throttles asks for. The longest pause holds.

        Raises:
            TypeError, ValueError: ``seconds`` is no number of at least 0.
        """
        length = _check.pause("seconds", seconds)
        if length > 0:
            self._core.pause(length)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._shared is None:
            raise TypeError(
                "a Limiter belongs to its process: give it to the run as rate_limit=, which draws from it for all workers; or give it a "
                "file that processes share (shared=)"
            )
        return _open, (self._rate_limit, self._shared)

    def __repr__(self) -> str:
        return f"Limiter({self._rate_limit!r}{'' if self._shared is None else f', shared={self._shared!r}'})"


def _file(name: str, value: object) -> str:
    """A whole path: what it names does not change with the working directory, nor in another process."""
    place = _check.path(name, value)
    if not place or "\0" in place:
        raise ValueError(f"{name} must be the path of a file, not {place!r}")
    return os.path.abspath(place)


def _open(rate_limit: RateLimit, shared: str) -> Limiter:
    return Limiter(rate_limit, shared=shared)


def limiter_of(rate_limit: Limiter | RateLimit | float | None) -> _core.Limiter | None:
    """What a run draws from: a limiter that others hold too, or one of its own."""
    if rate_limit is None:
        return None
    if isinstance(rate_limit, bool) or not isinstance(rate_limit, (Limiter, RateLimit, int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"rate_limit must be a RateLimit, a Limiter or a number a second, not {type(rate_limit).__name__}"
        )
    return (rate_limit if isinstance(rate_limit, Limiter) else Limiter(rate_limit)).core
