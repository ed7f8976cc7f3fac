"""``async_parallel_map``, ``async_parallel_starmap`` and ``async_parallel_iter``: the same runs, carried by the caller's event loop."""

# pyright: reportPrivateUsage=false
# _map checks a call's arguments and begins its run; this is its other face.

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from . import _map
from ._async_carrier import Carrier

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from contextvars import ContextVar
    from typing import Any, Literal, TypedDict, TypeVar, Unpack

    from ._checkpoint import Key, Version
    from ._limiter import Limiter
    from ._map import Start
    from ._policies import RateLimit, Retry
    from ._result import ItemResult, ParallelResult
    from ._stop import StopToken
    from .events import Event

    T = TypeVar("T")
    R = TypeVar("R")

    AsyncExecutor = Literal["async", "thread", "process"]
    OnCancel = Literal["kill", "release"]

    class AsyncOptions(TypedDict, total=False):
        """What every form takes beside ``executor``; described at ``async_parallel_map``."""

        concurrency: int | None
        workers: int | None
        window_size: int | None
        batch_size: int | None
        chunksize: int | None
        timeout: float | None
        task_timeout: float | None
        on_progress: Callable[[int, int], object] | None
        progress: bool
        worker_init: Callable[..., object] | None
        worker_init_args: Sequence[Any]
        max_tasks_per_worker: int | None
        start: Start | None
        rate_limit: Limiter | RateLimit | float | None
        retry: Retry | None
        max_errors: int | None
        checkpoint: str | os.PathLike[str] | None
        checkpoint_version: Version | None
        checkpoint_key: Callable[[Any], Key] | None
        item_key: Callable[[Any], Key] | None
        insights: bool
        trace: str | os.PathLike[str] | None
        on_event: Callable[[Event], object] | None
        on_cancel: OnCancel | None
        context: Iterable[ContextVar[Any]]
        window_bytes: int | None

    class AsyncMapOptions(AsyncOptions, total=False):
        on_result: Callable[[ItemResult[Any]], object] | None
        stop: StopToken | None

    class AsyncStreamOptions(AsyncOptions, total=False):
        ordered: bool
        stop: StopToken | None

    class AsyncDefaults(AsyncOptions, total=False):
        on_result: Callable[[ItemResult[Any]], object] | None


CONCURRENCY = 4
"""Coroutines at once, if nothing is said: a number that a service does not mind."""


def _is_coroutine_function(function: object) -> bool:
    from inspect import iscoroutinefunction

    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__dict__.get("__call__"))


def _carrier(
    function: Callable[..., Any],
    items: Any,
    *,
    executor: AsyncExecutor | None,
    concurrency: int | None,
    workers: int | None,
    task_timeout: float | None,
    stop: StopToken | None,
    on_cancel: OnCancel | None,
    **options: Any,
) -> tuple[_map._Plan, Carrier]:
    """What one call asks for, checked, and what will carry it. In the caller's task."""
    if executor not in (None, "async", "thread", "process"):
        raise ValueError(f"executor must be 'async', 'thread' or 'process', not {executor!r}")
    here = executor in (None, "async")
    if not here and _is_coroutine_function(function):
        raise TypeError(f"a coroutine function runs on the event loop: leave out executor={executor!r}")
    if on_cancel not in (None, "kill", "release"):
        raise ValueError(f"on_cancel must be 'kill' or 'release', not {on_cancel!r}")
    if on_cancel is not None and executor != "process":
        raise ValueError("on_cancel needs executor='process': coroutines are cancelled, and a thread cannot be ended")
    if concurrency is not None and workers is not None and concurrency != workers:
        raise ValueError("concurrency and workers are two names of one option: give one of them")
    if concurrency is not None:
        workers = _map._whole("concurrency", concurrency)
    if here:
        for name in ("chunksize", "worker_init", "max_tasks_per_worker", "start"):
            if options[name] is not None:
                raise ValueError(f"{name} needs executor='process' or executor='thread': coroutines have no workers")
    source: AsyncIterator[Any] | None = None
    given: Any = items
    if hasattr(given, "__aiter__") and not issubclass(type(given), type):
        source = items.__aiter__()
        given = ()
    # Coroutines are many hands of one thread: to the engine they differ from threads in where an attempt is begun.
    plan = _map._plan(
        function,
        given,
        executor="process" if executor == "process" else "thread",
        workers=(workers or CONCURRENCY) if here else workers,
        task_timeout=None if here else task_timeout,
        sequential=False,
        stop=stop,
        **options,
    )
    plan.executor = executor or "async"  # also for one thread: the loop's own must not be held up
    if here and task_timeout is not None:
        plan.task_timeout = _map._seconds("task_timeout", task_timeout)
    if source is not None:
        plan.items = None
    return plan, Carrier(plan, source, stoppable=stop is not None, kill=on_cancel != "release")


async def _collect(plan: _map._Plan, carrier: Carrier) -> ParallelResult[Any]:
    run = await carrier.finish()
    return _map._outcomes(plan, run, run.status)


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
        task_timeout: seconds for one attempt: a coroutine is cancelled, a worker process stopped; the item fails with
            ``TaskTimeout``. A coroutine that does not let itself be cancelled holds its place until it ends.
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
    plan, carrier = _carrier(
        fn,
        items,
        star=False,
        executor=executor,
        concurrency=concurrency,
        workers=workers,
        window_size=window_size,
        batch_size=batch_size,
        chunksize=chunksize,
        timeout=timeout,
        task_timeout=task_timeout,
        on_progress=on_progress,
        on_result=on_result,
        progress=progress,
        worker_init=worker_init,
        worker_init_args=worker_init_args,
        max_tasks_per_worker=max_tasks_per_worker,
        start=start,
        rate_limit=rate_limit,
        retry=retry,
        max_errors=max_errors,
        checkpoint=checkpoint,
        checkpoint_version=checkpoint_version,
        checkpoint_key=checkpoint_key,
        item_key=item_key,
        stop=stop,
        insights=insights,
        trace=trace,
        on_event=on_event,
        on_cancel=on_cancel,
        context=context,
        window_bytes=window_bytes,
    )
    return await _collect(plan, carrier)


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
    plan, carrier = _carrier(
        fn,
        items,
        star=True,
        executor=executor,
        concurrency=concurrency,
        workers=workers,
        window_size=window_size,
        batch_size=batch_size,
        chunksize=chunksize,
        timeout=timeout,
        task_timeout=task_timeout,
        on_progress=on_progress,
        on_result=on_result,
        progress=progress,
        worker_init=worker_init,
        worker_init_args=worker_init_args,
        max_tasks_per_worker=max_tasks_per_worker,
        start=start,
        rate_limit=rate_limit,
        retry=retry,
        max_errors=max_errors,
        checkpoint=checkpoint,
        checkpoint_version=checkpoint_version,
        checkpoint_key=checkpoint_key,
        item_key=item_key,
        stop=stop,
        insights=insights,
        trace=trace,
        on_event=on_event,
        on_cancel=on_cancel,
        context=context,
        window_bytes=window_bytes,
    )
    return await _collect(plan, carrier)


@overload
def async_parallel_iter(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["async"] | None = None,
    **options: Unpack[AsyncStreamOptions],
) -> AsyncGenerator[ItemResult[R], None]: ...
@overload
def async_parallel_iter(
    fn: Callable[[T], R],
    items: Iterable[T] | AsyncIterable[T],
    *,
    executor: Literal["thread", "process"],
    **options: Unpack[AsyncStreamOptions],
) -> AsyncGenerator[ItemResult[R], None]: ...
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
) -> AsyncGenerator[ItemResult[Any], None]:
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

    Raises:
        TypeError, ValueError: a bad argument, at the call.
        TimedOut: the timeout has passed.
        Exception: what the input or the callback raised, after the outcomes that were there before it.

    Thread safety: the stream belongs to one task at a time. Cost: as ``async_parallel_map``.
    """
    _, carrier = _carrier(
        fn,
        items,
        star=False,
        stream=True,
        on_result=None,
        executor=executor,
        concurrency=concurrency,
        workers=workers,
        ordered=bool(ordered),
        window_size=window_size,
        batch_size=batch_size,
        chunksize=chunksize,
        timeout=timeout,
        task_timeout=task_timeout,
        on_progress=on_progress,
        progress=progress,
        worker_init=worker_init,
        worker_init_args=worker_init_args,
        max_tasks_per_worker=max_tasks_per_worker,
        start=start,
        rate_limit=rate_limit,
        retry=retry,
        max_errors=max_errors,
        checkpoint=checkpoint,
        checkpoint_version=checkpoint_version,
        checkpoint_key=checkpoint_key,
        item_key=item_key,
        stop=stop,
        insights=insights,
        trace=trace,
        on_event=on_event,
        on_cancel=on_cancel,
        context=context,
        window_bytes=window_bytes,
    )
    return carrier.stream()
