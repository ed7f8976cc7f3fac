"""``AsyncResult`` and ``MapResult``. Whoever waits for one fetches it; only one with callbacks is told by the engine."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._callbacks import guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import NoReturn

    from ._crew import Crew

T = TypeVar("T")


def outcome_error(crew: Crew, future: Future[Any]) -> BaseException | None:
    """The exception of a future that is done, as a pool shows it."""
    try:
        error = future.exception()
    except CancelledError:
        error = None
    else:
        if error is None or not crew.terminated:
            return error
        from .._errors import StartFailed, WorkerDied

        if not isinstance(error, (WorkerDied, StartFailed)):
            return error
    from ._faults import terminated

    return terminated(error)


def not_in_time() -> NoReturn:
    """Raises ``multiprocessing.TimeoutError``."""
    from ._faults import TimeoutError

    raise TimeoutError("the result was not there in time")


class ApplyResult(Generic[T]):
    """The result of a call that goes on elsewhere: ``multiprocessing.pool.AsyncResult``.

    Thread safety: any thread, several at once.
    """

    def __init__(
        self,
        crew: Crew,
        futures: list[Future[Any]],
        callback: Callable[[T], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._crew = crew
        self._futures: list[Future[Any]] | None = futures
        self._passed = 0
        self._success = False
        self._value: Any = None
        self._collecting = threading.Lock()
        self._event: threading.Event | None = None
        if not futures:
            self._collect()
        elif callback is not None or error_callback is not None:
            self._callback = callback
            self._error_callback = error_callback
            self._event = threading.Event()
            self._count = itertools.count(1)
            crew.caller.expect()
            for future in list(futures):
                future.add_done_callback(self._one_is_done)

    def ready(self) -> bool:
        """Has the call ended, and was its callback called?"""
        if self._event is not None:
            return self._event.is_set()
        futures = self._futures
        return futures is None or all(future.done() for future in itertools.islice(futures, self._passed, None))

    def successful(self) -> bool:
        """Did the call end without an exception?

        Raises:
            ValueError: it has not ended.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        self._collect()
        return self._success

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the call has ended.

        Args:
            timeout: at most so many seconds.
        """
        self._await(timeout)

    def get(self, timeout: float | None = None) -> T:
        """What the call returned.

        Args:
            timeout: wait at most so many seconds.

        Raises:
            multiprocessing.TimeoutError: it has not ended by then; also the builtin ``TimeoutError``.
            WorkerDied: the worker died while it ran the call.
            Cancelled: the pool was terminated before the call had ended.
            Exception: what the call raised.
        """
        try:
            if not self._await(timeout):
                not_in_time()
            if self._success:
                return self._value  # type: ignore[no-any-return]
            raise self._value
        finally:
            del self  # the exception has a traceback that has this frame

    # ---- waiting

    def _await(self, timeout: float | None) -> bool:
        if self._event is not None:
            return self._event.wait(timeout)
        futures = self._futures
        if futures is None:
            return True
        until = None if timeout is None else time.monotonic() + timeout
        for place in range(self._passed, len(futures)):
            try:
                futures[place].exception(None if until is None else until - time.monotonic())
            except TimeoutError:
                return False
            except CancelledError:
                pass
            self._passed = place
        self._collect()
        return True

    def _collect(self) -> None:
        """All is done: makes one outcome of it, once."""
        with self._collecting:
            if self._futures is None:
                return
            error = next(filter(None, (outcome_error(self._crew, future) for future in self._futures)), None)
            self._value = self._values(self._futures) if error is None else error
            self._success = error is None
            self._futures = None

    def _values(self, futures: list[Future[Any]]) -> Any:
        return futures[0].result()

    # ---- callbacks

    def _one_is_done(self, _future: Future[Any]) -> None:
        futures = self._futures
        if futures is not None and next(self._count) == len(futures):
            self._crew.caller.put(self)

    def call_back(self) -> None:
        """Calls the callback. Called in the pool's callback thread."""
        self._collect()
        chosen: Callable[[Any], object] | None = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        if chosen is not None and not self._crew.terminated:
            guarded(chosen, self._value)
        if self._event is not None:
            self._event.set()


AsyncResult = ApplyResult


class MapResult(ApplyResult[list[T]], Generic[T]):
    """The results of a map, which are there when all are. If calls have failed, the error is that of the first chunk that did."""

    def __init__(
        self,
        crew: Crew,
        futures: list[Future[Any]],
        chunked: bool,
        callback: Callable[[list[T]], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._chunked = chunked
        super().__init__(crew, futures, callback, error_callback)

    def _values(self, futures: list[Future[Any]]) -> list[Any]:
        if not self._chunked:
            return [future.result() for future in futures]
        values: list[Any] = []
        for future in futures:
            values += future.result()
        return values
