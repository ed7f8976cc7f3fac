"""Contexts: what ``multiprocessing.get_context`` answers, with what is ours in the place of the standard library's.

The context of our own is called "centimane". It is registered with the standard library, so that
``multiprocessing.set_start_method("centimane")`` makes processes of programs that know nothing of us.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
from multiprocessing.context import BaseContext, DefaultContext
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, cast

from ._context_shared import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import connection, queues
    from .pool import Pool

NAME = "centimane"


class _Ours(SharedObjects):
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
        from .pool import Pool

        return Pool(
            processes, initializer, initargs, maxtasksperchild, cast("BaseContext", self) if self._named else None
        )

    def Queue(self, maxsize: int = 0) -> queues.Queue:
        """A queue between processes. ``queues.Queue`` has more to choose."""
        from .queues import Queue

        return Queue(maxsize)

    def Pipe(self, duplex: bool = True) -> tuple[connection.Connection, connection.Connection]:
        """Two connected ends, which may be sent at any time."""
        from .connection import Pipe

        return Pipe(duplex)

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:
        """A queue that counts what is done with."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize)

    def SimpleQueue(self) -> queues.SimpleQueue:
        """A queue without bounds."""
        from .queues import SimpleQueue

        return SimpleQueue()

    def cpu_count(self) -> int:
        """The processors that this process may use."""
        from .._cpus import cpu_count

        return cpu_count()


class CentimaneProcess(BaseProcess):
    """A process of this context, whichever is the default one."""

    _start_method = NAME

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        from ._popen import popen

        return popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        """Nothing: what a fork must forget has been forgotten before this object was read."""


class CentimaneContext(_Ours, BaseContext):  # type: ignore[misc]  # pyright: ignore[reportIncompatibleMethodOverride]
    """Processes by our zygote, and everything else of ours that there is."""

    _name = NAME
    _named = False
    Process = CentimaneProcess

    def get_start_method(self, allow_none: bool = False) -> str:
        """Its name."""
        return NAME

    def set_forkserver_preload(self, module_names: list[str]) -> None:
        """Modules that processes find loaded: whoever starts many that need them saves their import."""
        from .. import _children

        _children.set_preload(module_names)


_ours = CentimaneContext()
vars(multiprocessing.context)["_concrete_contexts"].setdefault(NAME, _ours)


def get_context(method: str | None = None) -> BaseContext:
    """``multiprocessing.get_context``.

    Args:
        method: "centimane"; or "fork", "spawn" or "forkserver", for a context of the standard library's whose ``Process`` is the standard
            library's and whose other parts are ours. None: what ``set_start_method`` has chosen, which is "centimane" by default.

    Raises:
        ValueError: there is no such method here.
    """
    if method is None:
        method = default.get_start_method()
    if method == NAME:
        return _ours
    kind = type(multiprocessing.get_context(method))
    return cast("BaseContext", type(kind.__name__, (_Ours, kind), {})())


class _Default(_Ours, DefaultContext):  # type: ignore[misc]  # pyright: ignore[reportIncompatibleMethodOverride]
    """The one that nobody has named: ours until somebody sets another."""

    _named = False

    def get_all_start_methods(self) -> list[str]:
        """Ours and the standard library's."""
        return [NAME, *super().get_all_start_methods()]


default = _Default(_ours)
get_start_method = default.get_start_method
set_start_method = default.set_start_method
get_all_start_methods = default.get_all_start_methods
set_forkserver_preload = _ours.set_forkserver_preload
