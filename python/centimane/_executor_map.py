"""``Executor.map``, as the standard library of 3.14 has it: eager, or with ``buffersize`` as far ahead as that."""

from __future__ import annotations

import itertools
import time
import weakref
from collections import deque

from . import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future
    from typing import Any


def _result_or_cancel(future: Future[Any], timeout: float | None) -> Any:
    try:
        try:
            return future.result(timeout)
        finally:
            future.cancel()
    finally:
        del future  # its exception has a traceback that has this frame


def _results(futures: deque[Future[Any]], submit_next: Callable[[], bool], end: float | None) -> Iterator[Any]:
    try:
        while futures:
            submit_next()
            # No reference to the future stays here while its value is in use.
            yield _result_or_cancel(futures.popleft(), None if end is None else end - time.monotonic())
    finally:
        for future in futures:
            future.cancel()


def executor_map(
    executor: Executor,
    function: Callable[..., Any],
    iterables: tuple[Iterable[Any], ...],
    timeout: float | None,
    buffersize: int | None,
) -> Iterator[Any]:
    """The results of ``function`` over the iterables, in order.

    Raises:
        TypeError, ValueError: ``buffersize`` is no number of at least 1, or ``timeout`` no number.
    """
    if buffersize is not None and not isinstance(buffersize, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("buffersize must be an integer or None")
    if buffersize is not None and buffersize < 1:
        raise ValueError("buffersize must be None or > 0")
    end = None if timeout is None else _check.number("timeout", timeout, "a number of seconds") + time.monotonic()
    arguments = zip(*iterables, strict=False)
    submit = executor.submit
    futures = deque(submit(function, *one) for one in itertools.islice(arguments, buffersize))
    del submit
    reference = weakref.ref(executor)

    def submit_next() -> bool:
        holder = reference()
        if buffersize is None or holder is None:
            return False
        following = next(arguments, None)
        if following is None:
            return False
        futures.append(holder.submit(function, *following))
        return True

    return _results(futures, submit_next, end)


def run_chunk(function: Callable[..., Any], chunk: list[tuple[Any, ...]]) -> list[Any]:
    """In a worker: one chunk of a map."""
    return [function(*one) for one in chunk]


def chunks(iterables: tuple[Iterable[Any], ...], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """The arguments of calls, ``size`` at a time."""
    arguments = zip(*iterables, strict=False)
    while chunk := list(itertools.islice(arguments, size)):
        yield chunk


def flattened(lists: Iterator[list[Any]]) -> Iterator[Any]:
    """The elements of all lists; none is kept once it is handed out."""
    for one in lists:
        one.reverse()
        while one:
            yield one.pop()
