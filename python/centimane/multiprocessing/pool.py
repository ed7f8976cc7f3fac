"""``Pool`` and ``ThreadPool``, as ``multiprocessing.pool`` has them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _nesting
from . import _crew
from ._imap import IMapIterator, IMapUnorderedIterator, chunks_of
from ._results import ApplyResult, AsyncResult, MapResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from multiprocessing.context import BaseContext
    from types import TracebackType
    from typing import NoReturn, Self

R = TypeVar("R")

__all__ = ["ApplyResult", "AsyncResult", "IMapIterator", "IMapUnorderedIterator", "MapResult", "Pool", "ThreadPool"]

INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"


class Pool:
    """Worker processes that calls are handed to: ``multiprocessing.Pool``, except that a dead worker hangs nothing.

    The call that a dead worker was running fails with ``WorkerDied``; every other goes on. Functions need not be importable: lambdas,
    closures and what lives in ``__main__`` travel by value, without a guard.

    Args:
        processes: worker processes; the processors that this process may use by default. All start at once.
        initializer: called once in each worker, before its first call. If it keeps raising, what the pool is given fails with
            ``StartFailed``.
        initargs: its arguments.
        maxtasksperchild: a worker is replaced after so many tasks (a chunk is one task); its successor is up before it goes.
        context: a context of multiprocessing. With "fork" workers are copies of this process as it is now; with any other they come
            from a clean process. None: from a clean one, unless ``initargs`` hold a lock or queue of multiprocessing that can only be
            inherited.

    Raises:
        ValueError: ``processes`` or ``maxtasksperchild`` is out of range.
        TypeError: ``initializer`` is not callable, ``context`` no context.
        PayloadError: the initializer or its arguments cannot be pickled.
        ResourceLimit: there are not enough descriptors for so many workers.

    Thread safety: any thread may use it. Cost: a worker starts in about a millisecond; a call costs one or two microseconds while there
    are many, some tens if its worker sleeps.
    """

    _state = INIT  # for __del__, if the constructor raises

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
    ) -> None:
        workers = _workers(processes, initializer)
        if maxtasksperchild is not None and (not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("maxtasksperchild must be a positive int or None")
        crew = _crew.of_processes(workers, initializer, initargs, maxtasksperchild, _forks(context))
        self._begin(workers, initializer, crew)

    def _begin(
        self, workers: int, initializer: Callable[..., object] | None, crew: _crew.ProcessCrew | _crew.ThreadCrew
    ) -> None:
        self._processes = workers
        self._initializer = initializer
        self._crew = crew
        self._carrier = crew.carrier()
        self._state = RUN

    # ---- calls

    def apply(self, func: Callable[..., R], args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None) -> R:
        """``func(*args, **kwds)`` in a worker; returns when it has.

        Raises:
            ValueError: the pool was closed.
            Exception: as ``AsyncResult.get``.
        """
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callable[[R], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[R]:
        """``func(*args, **kwds)`` in a worker; returns at once.

        Args:
            func: the function.
            args: its arguments.
            kwds: its keywords.
            callback: called with what it returned, before the result is ready. Callbacks are called one at a time, in a thread of the
                pool's; what they raise is reported on stderr.
            error_callback: called with what it raised.

        Raises:
            ValueError: the pool was closed.
        """
        self._check_running()
        future = self._carrier.submit(func, *args, **(kwds or {}))
        return ApplyResult(self._crew, [future], callback, error_callback)

    def map(self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int | None = None) -> list[R]:
        """``[func(item) for item in iterable]``, in the workers.

        Args:
            func: the function.
            iterable: its arguments; all are taken from it first.
            chunksize: items that are one task: they share a pickle, the fate of their worker, and the first exception. By default
                four tasks a worker.

        Raises:
            ValueError: the pool was closed; ``chunksize`` is less than 1.
            Exception: as ``AsyncResult.get``, once all calls have ended; what the iterable raised.
        """
        return self._map(func, iterable, False, chunksize, None, None).get()

    def map_async(
        self,
        func: Callable[[Any], R],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[R]:
        """``map`` that returns at once; callbacks as ``apply_async`` has them."""
        return self._map(func, iterable, False, chunksize, callback, error_callback)

    def starmap(
        self, func: Callable[..., R], iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[R]:
        """``[func(*item) for item in iterable]``, in the workers; else as ``map``."""
        return self._map(func, iterable, True, chunksize, None, None).get()

    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[R]:
        """``starmap`` that returns at once; callbacks as ``apply_async`` has them."""
        return self._map(func, iterable, True, chunksize, callback, error_callback)

    def imap(
        self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapIterator[R] | Iterator[R]:
        """The results of ``func`` over the iterable, in order, as they come.

        A thread takes items from the iterable, at most a few thousand and 64 MiB ahead of the calls that have ended.

        Args:
            func: the function.
            iterable: its arguments; may be endless.
            chunksize: items that are one task. Tasks are cheap here: 1 is mostly right.

        Returns:
            An ``IMapIterator``, whose ``next`` takes a timeout; with a ``chunksize`` a generator, which does not.

        Raises:
            ValueError: the pool was closed; ``chunksize`` is less than 1.
        """
        return self._imap(IMapIterator, func, iterable, chunksize)

    def imap_unordered(
        self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapIterator[R] | Iterator[R]:
        """``imap`` whose results come in the order in which the calls end."""
        return self._imap(IMapUnorderedIterator, func, iterable, chunksize)

    def _map(
        self,
        func: Callable[..., R],
        iterable: Iterable[Any],
        star: bool,
        chunksize: int | None,
        callback: Callable[[list[R]], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> MapResult[R]:
        self._check_running()
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        if chunksize is None:
            chunksize = max(1, -(-len(iterable) // (self._processes * 4)))  # type: ignore[arg-type]
        _check_chunksize(chunksize)
        futures: list[Future[Any]] = []
        try:
            if chunksize > 1:
                submit_chunk = self._carrier.submit_chunk
                futures += (submit_chunk(func, chunk, star) for chunk in chunks_of(iterable, chunksize))
            else:
                submit = self._carrier.submit
                futures += (submit(func, *item) for item in iterable) if star else (submit(func, i) for i in iterable)
        except Exception as error:  # what the iterable raised; or the pool is broken, which the futures say as well
            from ..futures import Future

            futures.append(Future())
            futures[-1].set_exception(error)
        return MapResult(self._crew, futures, chunksize > 1, callback, error_callback)

    def _imap(
        self, kind: type[IMapIterator[Any]], func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int
    ) -> IMapIterator[R] | Iterator[R]:
        self._check_running()
        _check_chunksize(chunksize)
        carrier = self._carrier
        if chunksize == 1:
            submit = carrier.submit
            return kind(self._crew, lambda item: submit(func, item), iterable, self._processes, 1)
        submit_chunk = carrier.submit_chunk
        chunks = kind(
            self._crew,
            lambda chunk: submit_chunk(func, chunk, False),
            chunks_of(iterable, chunksize),
            self._processes,
            chunksize,
        )
        return (value for chunk in chunks for value in chunk)

    # ---- the end

    def close(self) -> None:
        """Takes nothing more; what was given goes on."""
        if self._state != RUN:
            return
        self._state = CLOSE
        if self._initializer is not None:  # it is called even if nothing else is
            try:
                self._carrier.submit(_nothing)
            except Exception:  # it keeps raising
                pass
        self._crew.close()

    def terminate(self) -> None:
        """Ends the workers and what they run; what has no outcome yet fails with ``Cancelled``. Threads end what they run."""
        self._state = TERMINATE
        self._crew.terminate()

    def join(self) -> None:
        """After ``close`` or ``terminate``: waits until everything has ended and all workers have gone.

        Raises:
            ValueError: the pool is neither closed nor terminated.
        """
        if self._state == RUN:
            raise ValueError("Pool is still running")
        self._crew.join()

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def __del__(self) -> None:
        if self._state == RUN:
            warnings.warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        kind = type(self)
        return f"<{kind.__module__}.{kind.__qualname__} state={self._state} pool_size={self._processes}>"

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")

    # ---- what programs read though it is private

    @property
    def _pool(self) -> list[Any]:
        """The workers: objects with a ``pid`` and ``is_alive``, or threads."""
        return list(self._crew.views())

    def _repopulate_pool(self) -> None:
        """A worker that leaves is replaced before it goes: there is nothing to do."""


class ThreadPool(Pool):
    """Threads that calls are handed to: ``multiprocessing.pool.ThreadPool``. Nothing is pickled.

    Args:
        processes: how many threads; the processors that this process may use by default. All start at once.
        initializer: called once on each, before its first call. If it raises, what the pool is given fails with ``StartFailed``.
        initargs: its arguments.

    Raises:
        ValueError: ``processes`` is out of range.
        TypeError: ``initializer`` is not callable.

    Thread safety: any thread may use it. A thread cannot be ended from outside: ``terminate`` cancels what has not begun, and ``join``
    waits for what runs. Threads are daemons: what runs when the interpreter ends does not keep it.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        workers = _workers(processes, initializer)
        self._begin(workers, initializer, _crew.of_threads(workers, initializer, initargs))


def _workers(processes: int | None, initializer: object) -> int:
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    if processes is None:
        return _nesting.default_workers()
    if processes < 1:
        raise ValueError("Number of processes must be at least 1")
    if processes > 4096:
        raise ValueError(f"Number of processes must be at most 4096, not {processes}")
    return processes


def _forks(context: BaseContext | None) -> bool | None:
    """Are workers to be copies of this process? None: nobody has said so."""
    if context is None:
        return None
    method = getattr(context, "get_start_method", lambda: None)()
    if not isinstance(method, str):
        raise TypeError(f"context must be a context of multiprocessing, not {context!r}")
    return method == "fork"


def _check_chunksize(chunksize: int) -> None:
    if chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")


def _nothing() -> None:
    pass
