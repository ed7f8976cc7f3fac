"""``Limiter``: one budget of starts, shared by as many runs, functions, threads and event loops as hold it."""

from __future__ import annotations

import time

from . import _core
from ._policies import RateLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Limiter:
    """Enforces a ``RateLimit`` over everything that draws from it: give the same one to several runs as ``rate_limit=``.

    Args:
        rate_limit: a ``RateLimit``, or a number of starts a second.

    A run takes a token when an attempt starts. Who waits sleeps until the moment when a token will be there; waiters are not queued,
    so under contention the rate holds, not an order. A limiter belongs to its process and cannot be pickled.

    Thread safety: any thread, any event loop. Cost: a fraction of a microsecond a token.
    """

    def __init__(self, rate_limit: RateLimit | float) -> None:
        if not isinstance(rate_limit, RateLimit):
            rate_limit = RateLimit(rate_limit)
        self._rate_limit = rate_limit
        self._core = _core.Limiter(between=rate_limit.between, burst=rate_limit.burst)

    @property
    def rate_limit(self) -> RateLimit:
        """What it enforces."""
        return self._rate_limit

    @property
    def core(self) -> _core.Limiter:
        """What the engine draws from."""
        return self._core

    def wait(self, timeout: float | None = None) -> bool:
        """Takes a token, waiting for it.

        Args:
            timeout: seconds; None: no limit. A wait that would be longer is not begun.

        Returns:
            False: no token within ``timeout``; none was taken.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (delay := self._core.take()) > 0:
            if until is not None and time.monotonic() + delay > until:
                return False
            time.sleep(delay)
        return True

    async def wait_async(self) -> None:
        """The same in an event loop. Cancelled while it waits, it has taken none."""
        from asyncio import sleep

        while (delay := self._core.take()) > 0:
            await sleep(delay)

    def pause(self, seconds: float) -> None:
        """No token before ``seconds`` from now, for nobody: what a service that throttles asks for. The longest pause holds."""
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"seconds must be a number, not {type(seconds).__name__}")
        if seconds > 0:
            self._core.pause(float(seconds))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Limiter belongs to its process: give it to the run as rate_limit=, which draws from it for all workers"
        )

    def __repr__(self) -> str:
        return f"Limiter({self._rate_limit!r})"


def limiter_of(rate_limit: Limiter | RateLimit | float | None) -> _core.Limiter | None:
    """What a run draws from: a limiter that others hold too, or one of its own."""
    if rate_limit is None:
        return None
    if isinstance(rate_limit, bool) or not isinstance(rate_limit, (Limiter, RateLimit, int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"rate_limit must be a RateLimit, a Limiter or a number a second, not {type(rate_limit).__name__}"
        )
    return (rate_limit if isinstance(rate_limit, Limiter) else Limiter(rate_limit)).core
