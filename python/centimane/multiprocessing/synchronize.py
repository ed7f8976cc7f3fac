"""Locks, semaphores, conditions, events and barriers between processes that no death can make hang.

Names, arguments and results are those of ``multiprocessing.synchronize``. What differs:

- They pickle at any time, into worker processes of every kind, as arguments, in closures and globals.
- The lock of a process that died is free again. One taker is told so by ``OwnerDied`` in place of getting it; what the lock protects
  may be half changed. What a dead process held of a semaphore comes back, and a dead waiter takes no notification with it.
- Nothing has a name, and no tracker process is started.

A pickle can be loaded once for sure, and as often as wanted while its sender keeps the object.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from .. import _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]

SEM_VALUE_MAX = 2**31 - 1
# What `_core.SharedLock` calls its kinds.
_PLAIN, _RECURSIVE, _COUNTING = range(3)


def _revive(kind: Any, handle: bytes, state: dict[str, Any]) -> Any:
    """What a pickle calls: the object behind a handle."""
    made: Any = kind.__new__(kind)
    made._attach(handle)
    made.__dict__.update(state)
    return made


def _owner_name(lock: _core.SharedLock) -> str:
    """Who holds it, as far as this process knows."""
    if lock._is_mine():
        name = _process_name()
        thread = threading.current_thread().name
        return name if thread == "MainThread" else f"{name}|{thread}"
    if lock._get_value() == 1:
        return "None"
    return "SomeOtherThread" if lock._count() > 0 else "SomeOtherProcess"


def _process_name() -> str:
    from multiprocessing.process import current_process

    return current_process().name


class _Shared:
    """What they have in common: they travel as handles."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self._hand_out(), self.__dict__.copy())

    if TYPE_CHECKING:

        def _hand_out(self) -> bytes: ...


class SemLock(_Shared, _core.SharedLock):
    """The base of locks and semaphores."""

    _kind = _COUNTING

    @property
    def _semlock(self) -> SemLock:  # where code written for the standard library's looks for its methods
        return self

    def _attach(self, handle: bytes) -> None:
        self._open(self._kind, handle)

    if TYPE_CHECKING:

        def __init__(self, *args: Any, ctx: BaseContext | None = None) -> None: ...


class Lock(SemLock):
    """A lock that any thread of any process may release.

    Raises (``acquire`` and ``with``):
        OwnerDied: the process that held it died. The lock is free again.

    Raises (``release``):
        ValueError: it is not held by anybody.

    Thread safety: all of it. Cost: 50 ns to acquire, as much to release, while nobody waits.
    """

    _kind = _PLAIN

    def __init__(self, *, ctx: BaseContext | None = None) -> None:
        self._create(_PLAIN)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(owner={_owner_name(self)})>"


class RLock(SemLock):
    """A lock that its thread may acquire again, and only that thread may release, as often as it acquired it.

    Raises (``acquire`` and ``with``):
        OwnerDied: the process that held it died. The lock is free again.

    Raises (``release``):
        AssertionError: this thread does not hold it.

    Thread safety: all of it. Cost: as ``Lock``.
    """

    _kind = _RECURSIVE

    def __init__(self, *, ctx: BaseContext | None = None) -> None:
        self._create(_RECURSIVE)

    def __repr__(self) -> str:
        owner = _owner_name(self)
        count = 0 if owner == "None" else self._count() if self._is_mine() else "nonzero"
        return f"<{type(self).__name__}({owner}, {count})>"


class Semaphore(SemLock):
    """A counter of permits: ``acquire`` takes one, waiting while there is none; ``release`` adds one.

    What a process that died held comes back, as far as the initial value goes: a semaphore that begins at 0 counts events, which
    nobody holds.

    Args:
        value: permits at the beginning, 0 to 2**31 - 1.

    Thread safety: all of it. Cost: as ``Lock``. Of more than 127 processes that hold permits at one time the permits of the further ones
    do not come back.
    """

    def __init__(self, value: int = 1, *, ctx: BaseContext | None = None) -> None:
        self._create(_COUNTING, _whole("value", value, 0, SEM_VALUE_MAX), SEM_VALUE_MAX)

    def get_value(self) -> int:
        """How many permits there are."""
        return self._get_value()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self._get_value()})>"


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at the beginning: ``release`` beyond that raises ``ValueError``."""

    def __init__(self, value: int = 1, *, ctx: BaseContext | None = None) -> None:
        value = _whole("value", value, 0, SEM_VALUE_MAX)
        self._create(_COUNTING, value, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self._get_value()}, maxvalue={self._max_value})>"


def _whole(name: str, value: object, least: int, most: int) -> int:
    """The argument of that name, checked."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}")
    return value


def _lock_of_ours(lock: object) -> Lock | RLock:
    if isinstance(lock, Lock | RLock):
        return lock
    kind = type(lock)
    raise TypeError(
        f"lock must be a Lock or RLock of centimane.multiprocessing, not {kind.__module__}.{kind.__qualname__}"
    )


class Condition(_Shared, _core.SharedCondition):
    """Waiting for news under a lock.

    A notification belongs to one waiter. If that waiter dies before it has the lock again, its notification goes to the next who waited
    at that time.

    Args:
        lock: a ``Lock`` or ``RLock`` of this module; None: an ``RLock`` of its own.

    Raises (``wait`` and ``wait_for``):
        OwnerDied: a process died while it held the lock. The caller holds the lock, as after every wait.
        AssertionError: the caller does not hold the lock; so do ``notify`` and ``notify_all``.
        ResourceLimit: 128 wait already.

    Thread safety: all of it.
    """

    _lock: Lock | RLock

    def __init__(self, lock: Lock | RLock | None = None, *, ctx: BaseContext | None = None) -> None:
        super().__init__()
        self._create()
        self._lock = RLock(ctx=ctx) if lock is None else _lock_of_ours(lock)

    def _attach(self, handle: bytes) -> None:
        _core.SharedCondition.__init__(self)
        self._open(handle)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """``acquire`` of the lock."""
        return self._lock.acquire(block, timeout)

    def release(self) -> None:
        """``release`` of the lock."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._lock}, {self._waiting()})>"

    def wait(self, timeout: float | None = None) -> bool:
        """Gives the lock back, waits to be notified, takes the lock again. False: not within `timeout` seconds."""
        return self._wait(self._lock, timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Waits until `predicate` says something true; answers that, or what it said last when `timeout` seconds were over."""
        import time

        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes up to n of those who wait, who have waited longest first."""
        self._notify(self._lock, max(0, n))

    def notify_all(self) -> None:
        """Wakes all who wait."""
        self._notify(self._lock, sys.maxsize)


class Event(_Shared, _core.SharedEvent):
    """A flag that processes wait for.

    Setting it lets everybody go who waits at that moment, even if it is cleared at once.

    Thread safety: all of it. Cost: 0.1 µs a call that does not wait.
    """

    def __init__(self, *, ctx: BaseContext | None = None) -> None:
        super().__init__()
        self._create()

    def _attach(self, handle: bytes) -> None:
        _core.SharedEvent.__init__(self)
        self._open(handle)

    def is_set(self) -> bool:
        """Is it?"""
        return self._is_set()

    def set(self) -> None:
        """Sets it, and wakes all who wait."""
        self._set()

    def clear(self) -> None:
        """From now on ``wait`` waits."""
        self._clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set. False: not within `timeout` seconds."""
        return self._wait(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} at {id(self):#x} {'set' if self.is_set() else 'unset'}>"


class Barrier(_Shared, _core.SharedBarrier):
    """A point at which `parties` threads or processes wait for each other.

    A party that dies while it waits there breaks the barrier for the others. One that dies before it comes is not known: a `timeout`
    is what bounds that wait, as in the standard library.

    Args:
        parties: how many, 1 to 65536.
        action: called by the last to come, before the others go.
        timeout: seconds that ``wait`` waits by default; None: for ever.

    Raises (``wait``):
        threading.BrokenBarrierError: a party died, was interrupted or waited longer than its timeout, the action raised, or somebody called
            ``abort`` or ``reset``.

    Thread safety: all of it.
    """

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: BaseContext | None = None,
    ) -> None:
        super().__init__()
        self._create(_whole("parties", parties, 1, _core.SHARED_BARRIER_MOST))
        self._action = action
        self._timeout = timeout

    def _attach(self, handle: bytes) -> None:
        _core.SharedBarrier.__init__(self)
        self._open(handle)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for all parties. Answers which one this was, 0 to parties - 1; each is answered once a round."""
        return self._wait(self._timeout if timeout is None else timeout, self._action)

    def reset(self) -> None:
        """Makes it as new. Who waits gets ``BrokenBarrierError``."""
        self._reset()

    def abort(self) -> None:
        """Breaks it: who waits, and who comes until ``reset``, gets ``BrokenBarrierError``."""
        self._abort()

    @property
    def parties(self) -> int:
        """How many it waits for."""
        return self._parties()

    @property
    def n_waiting(self) -> int:
        """How many wait there now."""
        return self._waiting()

    @property
    def broken(self) -> bool:
        """Is it broken?"""
        return self._broken()

    def __repr__(self) -> str:
        if self.broken:
            return f"<{type(self).__module__}.{type(self).__qualname__} at {id(self):#x}: broken>"
        return (
            f"<{type(self).__module__}.{type(self).__qualname__} at {id(self):#x}:"
            f" waiters={self.n_waiting}/{self.parties}>"
        )
