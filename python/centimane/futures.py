"""Drop-in for ``concurrent.futures``: the same executors and futures, faster, and one dead worker costs one task.

Change the import, keep the rest::

    from centimane.futures import ProcessPoolExecutor, as_completed

    with ProcessPoolExecutor() as executor:
        futures = [executor.submit(crunch, item) for item in items]
        for future in as_completed(futures):
            print(future.result())

The futures are ``concurrent.futures.Future``s: ``as_completed``, ``wait``, ``asyncio.wrap_future`` and
``loop.run_in_executor`` of the standard library take them; on an event loop they can also be awaited as they are. What differs is told in docs/futures.md.
"""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    InvalidStateError,
    TimeoutError,
    _base,  # pyright: ignore[reportPrivateUsage]
    as_completed,
    wait,
)

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures.process import BrokenProcessPool
    from concurrent.futures.thread import BrokenThreadPool
    from typing import Any, TypeVar

    from ._process_executor import ProcessPoolExecutor
    from ._thread_executor import ThreadPoolExecutor

    T = TypeVar("T")

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "BrokenProcessPool",
    "BrokenThreadPool",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
    "TimeoutError",
    "as_completed",
    "wait",
]

if TYPE_CHECKING:

    class Future(concurrent.futures.Future[T]):
        """The outcome of a task."""

        def __await__(self) -> Generator[Any, None, T]: ...

else:

    class Future(_core.FutureCore, concurrent.futures.Future):
        """The outcome of a task, as ``concurrent.futures.Future`` has it. Executors make it.

        On an event loop it can be awaited: ``await executor.submit(f, x)``. Whoever is cancelled while he waits cancels it.
        """

        def __await__(self):
            import asyncio

            return asyncio.wrap_future(self).__await__()


def _callback_failed(future: object, error: BaseException) -> None:
    _base.LOGGER.error("exception calling callback for %r", future, exc_info=error)


def _unexpected_state(future: Future[object]) -> None:
    _base.LOGGER.critical("Future %s in unexpected state: %s", id(future), future._state)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


_core.set_future_hooks(Future, CancelledError, InvalidStateError, _callback_failed, _unexpected_state)

_HOME = {
    "BrokenProcessPool": "concurrent.futures.process",
    "BrokenThreadPool": "concurrent.futures.thread",
    "ProcessPoolExecutor": "centimane._process_executor",
    "ThreadPoolExecutor": "centimane._thread_executor",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
