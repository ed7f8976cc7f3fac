"""``parallel_map``, ``parallel_starmap`` and ``parallel_iter``: the options with their defaults, as ``help`` and editors show them.

Each passes on all that it was given, ``locals()``: what a signature names, ``Plan`` finds.
"""

from __future__ import annotations

from ._plan import Plan
from ._run import collect, stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from contextvars import ContextVar
    from typing import Any, TypeVar

    from ._checkpoint import Key, Version
    from ._iterator import ParallelIterator
    from ._limiter import Limiter
    from ._options import Executor, Start
    from ._policies import RateLimit, Retry
    from ._result import ItemResult, ParallelResult
    from ._stop import StopToken
    from .events import Event

    T = TypeVar("T")
    R = TypeVar("R")


def parallel_map(
    fn: Callable[[T], R],
    items: Iterable[T],
    *,
    executor: Executor = "thread",
    workers: int | None = None,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    on_result: Callable[[ItemResult[R]], object] | None = None,
    progress: bool = False,
    sequential: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    stop: StopToken | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[T], Key] | None = None,
    item_key: Callable[[T], Key] | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> ParallelResult[R]:
    """Applies ``fn`` to every item in parallel; answers all outcomes, in the order of the input.

    Args:
        fn: the function. On processes anything goes, lambdas, closures and functions of ``__main__`` included; it is sent once.
        items: any iterable. Lists, tuples and ranges are read by index; others are pulled lazily, a window ahead.
        executor: "thread" for work that waits, "process" for work that computes, "sequential" for the caller's own thread.
        workers: how many threads or processes (one thread: the caller's own, in order); by default ``min(32, cpu_count() + 4)`` threads or ``cpu_count()`` processes.
        window_size: the most items of an iterator that are taken ahead of their outcomes (by default 4096, or 256 a worker if that is more).
        batch_size: an older name of ``window_size``.
        chunksize: processes only: items that are sent, run and answered together. By default each goes alone, and is bundled
            on its way; a chunk shares the fate of its worker, and its items may share objects.
        timeout: seconds for the whole run; then it ends as ``RunStatus.TIMED_OUT``. Tasks that still run are killed on processes and
            left to themselves on threads; on the caller's thread the clock is looked at between items.
        task_timeout: seconds for one attempt (at an item, or a chunk). A worker process is stopped, and the item fails with ``TaskTimeout``. A
            thread, this one included, cannot be: its task is asked to end (``stop_requested()`` is true in it), and has failed with
            ``TaskTimeout`` once it has come back, whatever it brings; a retry does not begin before.
        on_progress: ``on_progress(done, total)`` after each item, on this thread; ``total`` of an input without length is what
            has been taken from it so far. An exception of a callback ends the run and is raised here.
        on_result: ``on_result(item_result)`` after each item, on this thread, in the order of completion.
        progress: shows a progress bar (tqdm's if it is installed).
        sequential: runs everything on this thread, whatever ``executor`` says: for debuggers and tracebacks.
        worker_init: called once in each worker before its first task.
        worker_init_args: its arguments.
        max_tasks_per_worker: processes only: a worker is replaced after that many tasks.
        rate_limit: how many attempts may start in a span of time: a ``RateLimit``, a number a second, or a ``Limiter`` that others
            draw from too. Retries take tokens as well, on every executor.
        retry: a ``Retry``: which failures are tried again. What succeeded in the end counts as a success.
        max_errors: so many failed items abort the run: what runs comes to its end, the rest fails with ``Aborted``.
        stop: a ``StopToken`` that may end the run early.
        checkpoint: the path of a file (SQLite, made if it is not there, for its owner only) in which each value is recorded before anybody is
            told of it. A later run of the same work, however this one ended, takes from it what it has: such items are not run, cost
            no attempt and no token, and have ``attempts`` 0. Failures are not recorded. A row counts for an item of the same position
            (or key) and the same pickle. Items and values must be picklable. The file holds pickles: use only files that you made.
        checkpoint_version: a str, int, bytes or tuple of these that changes when results of before must not be used any more: the code and
            captured values of ``fn`` are looked at, what it calls and reads is not.
        checkpoint_key: the key of an item's row, by default its ``item_key``, or else its position; with keys, items may be inserted and
            reordered. Keys must differ.
        item_key: ``item_key(item)`` (a str, int or bytes) names the item in ``ItemResult.key`` and in errors. Called once an item, here, when
            it is taken from the input.
        context: ``ContextVar`` objects whose present values the function is to see in worker processes, where each call has a copy. On
            threads the caller's whole context is there anyway. A value must be picklable.
        window_bytes: the same as ``window_size`` by bytes: of what was read from an iterator, and of a stream's results that its consumer has
            not taken. Results to come count as the average of those that came; before the first, no more than 8 items are under way.
            One item alone may exceed it. What is weighed is the data (``nbytes``, the length of text and bytes), else
            ``sys.getsizeof``, containers with what they hold.
        insights: takes the times of every attempt for ``result.insights``; by default that counts items and knows the slowest.
        trace: a file for the run's timeline, as Perfetto (ui.perfetto.dev) and Chrome's tracing read it: a track for each worker and
            for this thread, a slice for each attempt. It appears when the run has ended, however it ends.
        on_event: ``on_event(event)`` on this thread for what happens: attempts, retries, workers that start, die and are replaced, timeouts;
            see ``centimane.events``.
        start: processes only: "zygote" (default: workers come from a clean process) or "fork" (copies of this process, for functions
            that cannot be pickled; unsafe if this process has threads).

    Returns:
        A ``ParallelResult``: reads like a list of values if all succeeded.

    Raises:
        TypeError, ValueError: a bad argument, before any work starts.
        OSError: ``trace`` cannot be written, before any work starts.
        PayloadError: the function cannot be pickled.
        StartFailed: no worker could start; the message has what it wrote.
        CheckpointError: the checkpoint is in use, damaged, no checkpoint, or holds another function's, version's or program's results; a value
            cannot be written to it (what it has stays good); two items have one key.
        KeyboardInterrupt: Ctrl-C: running tasks get 3 s on processes, 1 s on threads; a second one none.
        Exception: what the input or a callback raised.

    Failures of items are not raised here: see ``ParallelResult``. With ``chunksize`` there is no ``rate_limit``, ``retry``,
    ``max_errors``, ``checkpoint`` or ``item_key``: they are about single items.

    Thread safety: any thread, any number of calls at once; process pools are shared by calls of one configuration and stay warm.
    Cost: on processes some 0.1 µs an item besides pickling; the first call starts an interpreter. A checkpoint adds a transaction for the values that come together: tens of microseconds an item.
    """
    return collect(Plan(locals()))


def parallel_starmap(
    fn: Callable[..., R],
    items: Iterable[Iterable[Any]],
    *,
    executor: Executor = "thread",
    workers: int | None = None,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    on_result: Callable[[ItemResult[R]], object] | None = None,
    progress: bool = False,
    sequential: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    stop: StopToken | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[Any], Key] | None = None,
    item_key: Callable[[Any], Key] | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> ParallelResult[R]:
    """Like ``parallel_map``, with ``fn(*item)`` for each item.

    An item that cannot be unpacked fails like one whose function raised. Everything else is as ``parallel_map`` says:
    parameters, errors, thread safety, cost.
    """
    return collect(Plan(locals(), star=True))


def parallel_iter(  # noqa: D417  # the parameters that both have are described once
    fn: Callable[[T], R],
    items: Iterable[T],
    *,
    executor: Executor = "thread",
    workers: int | None = None,
    ordered: bool = False,
    window_size: int | None = None,
    batch_size: int | None = None,
    chunksize: int | None = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    progress: bool = False,
    sequential: bool = False,
    worker_init: Callable[..., object] | None = None,
    worker_init_args: Sequence[Any] = (),
    max_tasks_per_worker: int | None = None,
    start: Start | None = None,
    rate_limit: Limiter | RateLimit | float | None = None,
    retry: Retry | None = None,
    max_errors: int | None = None,
    stop: StopToken | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[T], Key] | None = None,
    item_key: Callable[[T], Key] | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> ParallelIterator[R]:
    """Applies ``fn`` to every item in parallel; yields an ``ItemResult`` for each as outcomes come. Memory: one window.

    Args:
        ordered: yield in the order of the input instead of the order of completion.
        window_size: the most items that are taken from the input and not yet taken from the stream (by default 1024, or 64 a
            worker if that is more).
        timeout: seconds for the whole stream; then it raises ``TimedOut``.
        max_errors: the stream ends after so many failed items.

    The other parameters are those of ``parallel_map``. Arguments are checked at the call; work starts with the first ``next()``. Leaving
    the loop early (or closing or dropping the iterator) takes back what has not begun; tasks that run end unread.

    Raises:
        TypeError, ValueError: a bad argument, at the call.
        TimedOut: the timeout has passed.
        Exception: what the input or the callback raised, after the outcomes that were there before it.

    The iterator has ``insights``, while it runs and afterwards, and ``close()``.

    Thread safety: the iterator belongs to one thread at a time. Cost: as ``parallel_map``, and some 0.2 µs an item for its
    ``ItemResult``.
    """
    return stream(Plan(locals(), stream=True))
