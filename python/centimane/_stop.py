"""``StopToken``: asks runs to stop, from anywhere."""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


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
