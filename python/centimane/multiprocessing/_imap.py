"""``imap`` and ``imap_unordered``: a thread of the call's own takes items from the iterable, and stays a bounded way ahead of the workers."""

from __future__ import annotations

import threading
import time
from _queue import Empty, SimpleQueue
from collections import deque
from concurrent.futures import CancelledError
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _core, futures
from ._results import not_in_time, outcome_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Self

    from ._crew import Crew

T = TypeVar("T")

MOST_AHEAD = 2048
MOST_BYTES_AHEAD = 64 << 20
"""Of items that have been taken from the iterable and whose calls have not ended; two for each worker in any case."""


class IMapIterator(Generic[T]):
    """The results of ``imap``, in order.

    Thread safety: any thread, several at once.
    """

    def __init__(
        self,
        crew: Crew,
        submit: Callable[[Any], Future[Any]],
        source: Iterable[Any],
        workers: int,
        items_a_task: int,
    ) -> None:
        self._crew = crew
        self._arrived: SimpleQueue[Future[Any] | None] = SimpleQueue()  # None: look at the length again
        self._head: Future[Any] | None = None
        self._given = 0
        self._length: int | None = None
        self._turn = threading.Lock()
        least, most = 2 * workers, max(2 * workers, MOST_AHEAD // items_a_task)
        put, told = self._arrived.put, self._tells_when_done

        def feed() -> None:
            fed = 0
            try:
                for task in _paced(crew, submit, source, least, most):
                    fed += 1
                    if told:
                        task.add_done_callback(put)
                    else:
                        put(task)
            finally:
                self._length = fed
                put(None)

        crew.feed(feed)

    _tells_when_done = False

    def __iter__(self) -> Self:
        return self

    def next(self, timeout: float | None = None) -> T:
        """The next result.

        Args:
            timeout: wait at most so many seconds.

        Raises:
            StopIteration: there are no more.
            multiprocessing.TimeoutError: it is not there by then; the next call waits for the same one.
            Exception: what the call, or the iterable, raised.
        """
        until = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            not_in_time()
        try:
            future = self._next(until)
        finally:
            self._turn.release()
        error = outcome_error(self._crew, future)
        if error is None:
            return future.result()  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error, future, self  # its traceback has this frame

    def __next__(self) -> T:
        return self.next()

    def _next(self, until: float | None) -> Future[Any]:
        while self._head is None:
            if self._given == self._length:
                raise StopIteration
            try:
                self._head = self._arrived.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except Empty:
                not_in_time()
        try:
            self._head.exception(None if until is None else until - time.monotonic())
        except TimeoutError:
            not_in_time()
        except CancelledError:
            pass
        future, self._head = self._head, None
        self._given += 1
        return future


class IMapUnorderedIterator(IMapIterator[T]):
    """The results of ``imap_unordered``, as they come."""

    _tells_when_done = True


def _still_there(crew: Crew) -> None:
    if crew.terminated:
        from ._faults import terminated

        raise terminated(None) from None


def _paced(
    crew: Crew, submit: Callable[[Any], Future[Any]], source: Iterable[Any], least: int, most: int
) -> Iterator[Future[Any]]:
    """Submits what the source gives, as fast as it is worked off. What the source raises is the last task's outcome."""
    ended: SimpleQueue[object] = SimpleQueue()
    weights: deque[int] = deque()
    weight = 0
    items: Iterator[Any] | None = None
    while True:
        while len(weights) >= most or (weight > MOST_BYTES_AHEAD and len(weights) >= least):
            ended.get()
            weight -= weights.popleft()  # not always that of the one that ended: in the sum it comes to the same
        try:
            _still_there(crew)
            if items is None:
                items = iter(source)
            item = next(items)
            try:
                task = submit(item)
            except RuntimeError:
                _still_there(crew)  # terminate() may come at any time
                raise
        except StopIteration:
            return
        except Exception as error:
            task = futures.Future[Any]()
            task.set_exception(error)
            yield task
            return
        weights.append(_core.weight_of(item))
        weight += weights[-1]
        del item
        task.add_done_callback(ended.put)
        yield task
        del task


def chunks_of(iterable: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """The iterable, ``size`` items at a time."""
    items = iter(iterable)
    while chunk := tuple(islice(items, size)):
        yield chunk
