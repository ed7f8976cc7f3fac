"""Process executors that are kept between calls of joblib, so that workers keep what they have imported."""

from __future__ import annotations

import os
import threading

from . import _joblib_worker, _state
from ._process_executor import ProcessPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Key = tuple[int, tuple[tuple[str, str], ...], float]

MOST_IDLE = 2
"""Configurations whose workers are kept while nobody uses them."""

_lock = threading.Lock()
_kept: list[Warm] = []
"""The one used last stands last."""


class _Executor(ProcessPoolExecutor):
    def __init__(self, workers: int, environment: Mapping[str, str], idle_seconds: float) -> None:
        super().__init__(workers, initializer=_joblib_worker.begin, initargs=(dict(environment),))
        self._idle_seconds = idle_seconds


class Warm:
    """An executor with what its workers were told. Calls of several threads may share it."""

    def __init__(self, key: Key, state: bytes) -> None:
        workers, environment, idle_seconds = key
        self.key = key
        self.users = 0
        self.executor = _Executor(workers, dict(environment), idle_seconds)
        # A call that fails or is given up stops what it has running, and nothing else.
        self.submit = self.executor.with_options(stop_running=True).submit
        self._first_state = state
        self._changed = False

    def state_to_tell(self, now: bytes) -> bytes | None:
        """What tasks must carry so that workers have this process's directory, paths and environment as they are now."""
        # Workers that were told once must be told again when it is as it was at first.
        self._changed = self._changed or now != self._first_state
        return now if self._changed else None

    def is_usable(self) -> bool:
        """Can it take tasks?"""
        return not self.executor._broken  # pyright: ignore[reportPrivateUsage]


def take(workers: int, environment: Mapping[str, str], idle_seconds: float) -> tuple[Warm, bytes | None]:
    """An executor of that many workers with these environment variables, and the state that its tasks must carry.

    ``give_back`` is owed. Any thread. Cost: tens of microseconds if there is one; else a new one's workers start with its first tasks.
    """
    key = (workers, tuple(sorted(environment.items())), idle_seconds)
    state = _state.capture()
    with _lock:
        _kept[:] = [warm for warm in _kept if warm.is_usable()]
        found = next((warm for warm in _kept if warm.key == key), None)
        if found is None:
            found = Warm(key, state)
        else:
            _kept.remove(found)
        _kept.append(found)
        found.users += 1
        return found, found.state_to_tell(state)


def give_back(warm: Warm) -> None:
    """The call has ended. Its executor stays, unless others have been used since."""
    with _lock:
        warm.users -= 1
        idle = [one for one in _kept if one.users == 0]
        dropped = idle[: max(0, len(idle) - MOST_IDLE)]
        _kept[:] = [one for one in _kept if one not in dropped]
        if warm.users == 0 and warm not in _kept and warm not in dropped:
            dropped.append(warm)  # it broke, or all were shut down meanwhile
    for one in dropped:
        one.executor.shutdown(wait=False)


def shutdown(*, wait: bool) -> None:
    """Ends them all. Those in use take no more tasks, and end with what they have."""
    with _lock:
        everything = _kept[:]
        _kept.clear()
    for warm in everything:
        warm.executor.shutdown(wait=False)
    for warm in everything if wait else ():
        warm.executor.shutdown(wait=True)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _kept.clear()  # they are the parent's


os.register_at_fork(after_in_child=_after_fork_in_child)
