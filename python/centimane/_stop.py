"""``StopToken``: asks runs to stop, from anywhere. ``stop_requested``: asks, in a task, whether it should end."""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def stop_requested() -> bool:
    """In a task: has it been asked to end early?

    Returns:
        True once its run was stopped, has timed out or was interrupted, or once this attempt has passed its ``task_timeout``; a task
        that does not ask goes on to its end (on worker processes it is stopped all the same). False outside of tasks, in tasks of
        executors' threads, and in coroutines, which are cancelled instead.

    Thread safety: answers for the task that the calling thread runs; threads that a task has started are in none. Cost: well under a
    microsecond.
    """
    return _core.stop_requested()


class StopToken:
    """A latch for one or more runs: ``parallel_map(…, stop=token)``, then ``token.stop()`` from a signal handler or a thread.

    A run that holds a stopped token starts nothing more, takes back what has not begun and lets what runs come to its end; it ends as
    ``RunStatus.CANCELLED`` with all outcomes that are there. A token stays stopped.

    Thread safety: any thread, signal handlers too. A run that sleeps sees it within a tenth of a second.
    """

    def __init__(self) -> None:
        self._core = _core.StopFlag()

    def stop(self) -> None:
        """Asks all runs that hold this token to stop. May be called again."""
        self._core.stop()

    @property
    def stopped(self) -> bool:
        """Has ``stop()`` been called?"""
        return self._core.stopped

    @property
    def core(self) -> _core.StopFlag:
        """What the engine looks at."""
        return self._core

    def __reduce__(self) -> NoReturn:
        raise TypeError("a StopToken belongs to its process and cannot be pickled")

    def __repr__(self) -> str:
        return f"<StopToken {'stopped' if self.stopped else 'not stopped'}>"
