"""Queues between processes, with the interface of ``multiprocessing.queues``.

An object is in the queue when ``put`` returns: there is no thread that feeds it, nothing to be joined before a process ends, and what
cannot be pickled raises at once. No process that dies, however and wherever, makes another wait for ever: an object is whole or absent,
and only one that a ``get`` had just taken goes with its process.

A queue may be pickled at any time: as an argument, a global, in a closure, an initializer's argument, or inside another queue. It
stays as long as any process keeps it.
"""

from __future__ import annotations

import sys
from queue import Empty, Full
from types import GenericAlias

from .. import _core, _errors  # pyright: ignore[reportPrivateUsage]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from typing import Any, NoReturn
else:
    import _pickle as pickle

__all__ = ["JoinableQueue", "Queue", "QueueClosed", "SimpleQueue"]

_MOST = 2**31 - 1


class QueueClosed(_errors.QueueClosed, Empty, Full):
    """A wait without a timeout would never end: the queue is empty (or full), and every other process that had it has ended.

    It is also a ``queue.Empty`` and a ``queue.Full``, for handlers of these.
    """


class _Queue(_core.SharedQueue):
    """What the three have in common: the compiled ``put`` and ``get``, and how they travel."""

    _joinable = False

    def __init__(self, maxsize: int = 0, max_bytes: int | None = None) -> None:
        if not isinstance(maxsize, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"maxsize: a number of objects is needed, not {maxsize!r}")
        if max_bytes is None:
            max_bytes = 0
        elif not isinstance(max_bytes, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"max_bytes: a number of bytes or None is needed, not {max_bytes!r}")
        elif max_bytes < 1:
            raise ValueError(f"max_bytes: at least 1 is needed, not {max_bytes}; None is no limit")
        self._make(max(0, min(maxsize, _MOST)), max_bytes, self._joinable, 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), self._hand_out())

    def _refuse(self, _what: str) -> NoReturn:
        raise ValueError(f"Queue {self!r} is closed")

    __class_getitem__: Any = classmethod(GenericAlias)  # pyright: ignore[reportUnknownVariableType]


def _opened(kind: type[_Queue], handle: bytes) -> _Queue:
    """A queue out of its pickle."""
    queue = kind.__new__(kind)
    queue._open(handle)  # pyright: ignore[reportPrivateUsage]
    return queue


class Queue(_Queue):
    """A queue between processes, first in, first out. Thread-safe.

    Args:
        maxsize: the most objects in it, of whatever size; ``put`` waits for room. 0 or less: as many as memory has room for.
        max_bytes: the most bytes in it, as pickled; an object alone may be larger. None: no limit.
        ctx: as the standard library has it; not needed.

    Raises:
        ResourceLimit: there is no memory for it.
    """

    def __init__(self, maxsize: int = 0, *, max_bytes: int | None = None, ctx: object = None) -> None:
        super().__init__(maxsize, max_bytes)

    def _refuse(self, what: str) -> NoReturn:
        if what in ("empty", "qsize", "full"):
            raise OSError(f"Queue {self!r} is closed")
        super()._refuse(what)

    def join_thread(self) -> None:
        """Returns at once: what was put is in the queue already.

        Raises:
            AssertionError: the queue is not closed here.
        """
        if not self._closed:
            raise AssertionError(f"Queue {self!r} not closed")

    def cancel_join_thread(self) -> None:
        """Does nothing: no thread is joined when the process ends."""


class JoinableQueue(Queue):
    """A queue that counts which of the objects taken out of it are done with. Thread-safe.

    Args:
        maxsize: as with ``Queue``.
        max_bytes: as with ``Queue``.
        ctx: as the standard library has it; not needed.
    """

    _joinable = True

    def task_done(self) -> None:
        """An object that was taken is done with.

        Raises:
            ValueError: that was said of every object already.
        """
        self._task_done()

    def join(self) -> None:
        """Waits until every object that was put is done with.

        Raises:
            OwnerDied: processes that had taken objects have ended before they called ``task_done``. The message says how many there were;
                each is told once, to one caller, and then counts as done.
        """
        self._join()


class SimpleQueue(_Queue):
    """A queue without bounds, with ``get``, ``put``, ``empty`` and ``close``. Thread-safe.

    Args:
        ctx: as the standard library has it; not needed.
    """

    def __init__(self, *, ctx: object = None) -> None:
        super().__init__()

    def empty(self) -> bool:
        """Is nothing in the queue?"""
        if self._closed:
            self._refuse("empty")
        return super().empty()

    def _refuse(self, what: str) -> NoReturn:
        raise OSError(f"{type(self).__name__} is closed")


# ---- how objects travel: called by the compiled put and get


def _rescue(value: object, error: BaseException) -> bytes:
    """The pickle of an object that plain pickle refused with ``error``: by multiprocessing's own rules, or by value."""
    reduction = sys.modules.get("multiprocessing.reduction")
    if reduction is not None:
        try:
            return bytes(reduction.ForkingPickler.dumps(value, 5))
        except Exception:  # then by value, or not at all
            pass
    from .._pickling import dumps_by_value

    try:
        return dumps_by_value(value, share_main=True)
    except Exception as cause:
        from .._diagnose import refused
        from ._faults import unsendable

        refusal = refused(value, cause, name="obj", stage="write_args")
        refusal.__cause__ = cause
        raise unsendable(refusal) from None


_definitions: dict[frozenset[str], tuple[list[object], bytes]] = {}


def _met_main(value: object) -> bytes | None:
    """What an object names of ``__main__``, by value, for processes whose ``__main__`` is another; None if that is nothing."""
    from .._functions import main_globals
    from .._pickling import dumps_by_value, names_of_main

    here = main_globals()
    names = frozenset(name for name in names_of_main(value) if name in here)
    if not names:
        return None
    objects = [here[name] for name in sorted(names)]
    known = _definitions.get(names)
    if known is None or any(a is not b for a, b in zip(known[0], objects, strict=True)):
        blob = dumps_by_value({name: here[name] for name in names}, share_main=True, fresh_locks=True)
        known = _definitions[names] = (objects, pickle.dumps((sorted(names), blob), 5))
    return known[1]


def _learn(definitions: bytes) -> None:
    """Gives this process's ``__main__`` what an object names of it, and leaves alone what is there."""
    from .._functions import main_globals

    names, blob = pickle.loads(definitions)
    here = main_globals()
    if all(name in here for name in names):
        return
    for name, it in pickle.loads(blob).items():
        here.setdefault(name, it)


_core.set_queues(Empty, Full, QueueClosed, _errors.OwnerDied, _rescue, _met_main, _learn)
