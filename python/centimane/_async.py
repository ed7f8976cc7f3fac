"""``async_parallel_map``, ``async_parallel_starmap`` and ``async_parallel_iter``: the same runs, carried by the caller's event loop.

Each passes on all that it was given, ``locals()``, as its siblings in ``_map`` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from . import _run
from ._async_iterator import AsyncParallelIterator
from ._async_plan import carry

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
    from contextvars import ContextVar
    from typing import Any, Literal, TypeVar, Unpack

    from ._async_carrier import Carrier
    from ._checkpoint import Key, Version
    from ._limiter import Limiter
    from ._options import AsyncExecutor, AsyncMapOptions, AsyncStreamOptions, OnCancel, Start
    from ._policies import RateLimit, Retry
    from ._result import ItemResult, ParallelResult
    from ._stop import StopToken
    from .events import Event

    T = TypeVar("T")
    R = TypeVar("R")


async def _collect(carrier: Carrier) -> ParallelResult[Any]:
    run = await carrier.finish()
    return _run.outcomes(carrier.plan, run, run.status)


@overload
async def async_parallel_map(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["async"] | None = None,
    **options: Unpack[AsyncMapOptions],
) -> ParallelResult[R]: ...
@overload
async def async_parallel_map(
    fn: Callable[[T], R],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["thread", "process"],
    **options: Unpack[AsyncMapOptions],
) -> ParallelResult[R]: ...
async def async_parallel_map(  # noqa: D417  # the parameters that all forms have are described once
    fn: Callable[..., Any],
    items: Iterable[Any] | AsyncIterable[Any],
    *,
    executor: AsyncExecutor | None = None,
    concurrency: int | None = None,
    workers: int | None = None,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    on_result: Callable[[ItemResult[Any]], object] | None = None,
    progress: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[Any], Key] | None = None,
    item_key: Callable[[Any], Key] | None = None,
    stop: StopToken | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
    on_cancel: OnCancel | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
) -> ParallelResult[Any]:
    """Applies ``fn`` to every item, carried by the running event loop; awaits all outcomes in one ``ParallelResult``.

    ::

        result = await async_parallel_map(fetch, urls, concurrency=20, rate_limit=RateLimit(90, "minute"))
        result = await async_parallel_map(crunch, frames, executor="process")     # the loop stays free

    A coroutine function (anything that returns an awaitable) runs as tasks of this loop, each in a copy of the caller's context. A
    plain function needs ``executor="thread"`` or ``"process"`` and runs there.

    Args:
        fn: called with one item.
        items: any iterable, or async iterable. It is read as the window allows: an async one by one task, which waits for it while
            everything else goes on; a plain one by the loop itself, so it should not block. It is left unclosed where the run ends.
        executor: "async" (the default), "thread" or "process".
        concurrency: attempts at once; also as ``workers``. By default 4, and on threads and processes what ``parallel_map`` has.
        window_size: the most items taken from the input and not settled; also as ``batch_size``. By default twice ``concurrency``
            for coroutines, and what ``parallel_map`` has elsewhere.
        timeout: seconds for the whole run.
        task_timeout: seconds for one attempt: a coroutine is cancelled, a worker process stopped, a thread's task asked to end
            (``stop_requested()``); the item fails with ``TaskTimeout``. A coroutine that does not let itself be cancelled, and a
            task on a thread that does not ask, hold their places until they end.
        on_progress, on_result: called on the loop. What they return, if it can be awaited, is awaited before the run goes on, one
            after the other.
        on_cancel: what becomes of tasks that run on worker processes when the awaiting task is cancelled: "kill" (the default) ends
            them as ``task_timeout`` does, "release" lets them end unread.

    The other parameters, and what becomes of failures, are as in ``parallel_map``; ``chunksize``, ``worker_init``, ``max_tasks_per_worker``
    and ``start`` are about workers, and refused without any.

    Cancelled, the run starts nothing more, cancels its coroutines and awaits them, takes back what has not begun on threads and processes, and
    raises ``CancelledError`` with nothing of it left on the loop. A task that runs on a thread cannot be ended: it ends unread.

    Raises:
        TypeError, ValueError: a bad argument, before any work starts; a function whose result cannot be awaited.
        PayloadError, StartFailed: as ``parallel_map``.
        Exception: what the input or a callback raised.

    Thread safety: any number of runs on any number of loops; each belongs to its loop. Cost: tens of microseconds an item for its task;
    on threads and processes that of ``parallel_map``, a wake-up of the loop each time that news comes, and one descriptor a run.
    """
    return await _collect(carry(locals()))


@overload
async def async_parallel_starmap(
    fn: Callable[..., Awaitable[R]],
    items: Iterable[Iterable[Any]] | AsyncIterable[Iterable[Any]],
    *,
    executor: Literal["async"] | None = None,
    **options: Unpack[AsyncMapOptions],
) -> ParallelResult[R]: ...
@overload
async def async_parallel_starmap(
    fn: Callable[..., R],
    items: Iterable[Iterable[Any]] | AsyncIterable[Iterable[Any]],
    *,
    executor: Literal["thread", "process"],
    **options: Unpack[AsyncMapOptions],
) -> ParallelResult[R]: ...
async def async_parallel_starmap(
    fn: Callable[..., Any],
    items: Iterable[Any] | AsyncIterable[Any],
    *,
    executor: AsyncExecutor | None = None,
    concurrency: int | None = None,
    workers: int | None = None,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    on_result: Callable[[ItemResult[Any]], object] | None = None,
    progress: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[Any], Key] | None = None,
    item_key: Callable[[Any], Key] | None = None,
    stop: StopToken | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
    on_cancel: OnCancel | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
) -> ParallelResult[Any]:
    """Like ``async_parallel_map``, with ``fn(*item)`` for each item. An item that cannot be unpacked fails alone."""
    return await _collect(carry(locals(), star=True))


@overload
def async_parallel_iter(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["async"] | None = None,
    **options: Unpack[AsyncStreamOptions],
) -> AsyncParallelIterator[R]: ...
@overload
def async_parallel_iter(
    fn: Callable[[T], R],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["thread", "process"],
    **options: Unpack[AsyncStreamOptions],
) -> AsyncParallelIterator[R]: ...
def async_parallel_iter(  # noqa: D417  # the parameters that all forms have are described once
    fn: Callable[..., Any],
    items: Iterable[Any] | AsyncIterable[Any],
    *,
    executor: AsyncExecutor | None = None,
    concurrency: int | None = None,
    workers: int | None = None,
    ordered: bool = False,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    progress: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[Any], Key] | None = None,
    item_key: Callable[[Any], Key] | None = None,
    stop: StopToken | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
    on_cancel: OnCancel | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
) -> AsyncParallelIterator[Any]:
    """Applies ``fn`` to every item, carried by the running event loop; yields an ``ItemResult`` for each as outcomes come.

    ::

        async for item in async_parallel_iter(fetch, urls, concurrency=20):
            await store(item)

    Args:
        ordered: yield in the order of the input instead of the order of completion.
        window_size: the most items that are taken from the input and not yet taken from the stream.
        timeout: seconds for the whole stream; then it raises ``TimedOut``.

    The other parameters are those of ``async_parallel_map``. Arguments are checked at the call, on the loop; work starts when the first item is
    awaited, and goes on while the consumer is busy, as far as the window reaches. Leaving early ends the run as a cancellation does: at once
    where the stream is closed (``contextlib.aclosing``), and soon after a ``break`` drops it.

    The stream has ``insights``, while it runs and afterwards.

    Raises:
        TypeError, ValueError: a bad argument, at the call.
        TimedOut: the timeout has passed.
        Exception: what the input or the callback raised, after the outcomes that were there before it.

    Thread safety: the stream belongs to one task at a time. Cost: as ``async_parallel_map``.
    """
    return AsyncParallelIterator(carry(locals(), stream=True))
