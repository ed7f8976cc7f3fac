"""Contexts of the standard library whose pools and queues are ours."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any, cast

from .pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

    from . import queues


class _Ours:
    """Comes before a context's own class."""

    _named = True

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        maxtasksperchild: int | None = None,
    ) -> Pool:
        """A pool whose workers start in this context's way; if nobody has named one, a pool's own."""
        return Pool(
            processes, initializer, initargs, maxtasksperchild, cast("BaseContext", self) if self._named else None
        )

    def Queue(self, maxsize: int = 0) -> queues.Queue:
        """A queue between processes. ``queues.Queue`` has more to choose."""
        from .queues import Queue

        return Queue(maxsize)

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:
        """A queue that counts what is done with."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize)

    def SimpleQueue(self) -> queues.SimpleQueue:
        """A queue without bounds."""
        from .queues import SimpleQueue

        return SimpleQueue()


def get_context(method: str | None = None) -> BaseContext:
    """``multiprocessing.get_context``: the standard library's context, but for its pools and queues.

    Args:
        method: "fork", "spawn" or "forkserver"; None: the one that is in use, for all but pools.

    Raises:
        ValueError: there is no such method here.
    """
    kind = type(multiprocessing.get_context(method))
    return cast("BaseContext", type(kind.__name__, (_Ours, kind), {"_named": method is not None})())
