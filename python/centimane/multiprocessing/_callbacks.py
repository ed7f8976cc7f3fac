"""The callbacks of one pool: called in a thread of their own, one at a time, which starts with the first that is given."""

from __future__ import annotations

import threading
from _queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Result(Protocol):
        """Something whose callbacks are due."""

        def call_back(self) -> None:
            """Calls them."""


class Caller:
    """Whoever settles a future hands its result over here, so that user code runs in no thread of the engine's or of the user's.

    Thread safety: any thread.
    """

    def __init__(self) -> None:
        self._arrived: SimpleQueue[Result | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._expected = 0
        self._thread: threading.Thread | None = None
        self.put: Callable[[Result], None] = self._arrived.put

    def expect(self) -> None:
        """One more result will be put."""
        with self._lock:
            self._expected += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="centimane-callbacks", daemon=True)
                self._thread.start()

    def _live(self) -> None:
        ends = False
        while not ends or self._expected > 0:
            result = self._arrived.get()
            if result is None:  # nothing more is expected, but what is settled just now may be put behind this
                ends = True
                continue
            result.call_back()
            with self._lock:
                self._expected -= 1
            del result

    def end(self) -> None:
        """No more results will be expected."""
        self._arrived.put(None)

    def join(self) -> None:
        """Returns when all callbacks have been called, or at once in a callback."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()


def guarded(callback: Callable[[Any], object], value: Any) -> None:
    """Calls it; what it raises is reported as what a thread raises is, and stalls nothing."""
    try:
        callback(value)
    except BaseException as error:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
