"""``parallel_map``, ``parallel_starmap`` and ``parallel_iter``: options checked, then one run of the engine."""

from __future__ import annotations

from . import _core, _nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextvars import ContextVar
    from typing import Any, Literal, TypeVar

    from ._async_carrier import Carrier
    from ._checkpoint import Admission, Key, Version
    from ._iterator import ParallelIterator
    from ._limiter import Limiter
    from ._policies import RateLimit, Retry
    from ._progress import Bar
    from ._result import ItemResult, ParallelResult
    from ._stop import StopToken
    from .events import Event

    T = TypeVar("T")
    R = TypeVar("R")

    Executor = Literal["thread", "process", "sequential"]
    Start = Literal["zygote", "fork"]

_ANY_WAIT = float("inf")
_NO_POLICIES = _core.Policies(
    attempts=1,
    backoff=0.0,
    max_delay=_ANY_WAIT,
    max_server_wait=_ANY_WAIT,
    jitter=False,
    judge=None,
    max_errors=0,
    limiter=None,
    stop=None,
)


class _Plan:
    """What one call asks for, checked."""

    __slots__ = (
        "admission",
        "admitted",
        "chunk",
        "context",
        "executor",
        "function",
        "init",
        "insights",
        "items",
        "max_tasks",
        "on_event",
        "on_progress",
        "on_result",
        "ordered",
        "policies",
        "progress",
        "star",
        "start",
        "stream",
        "task_timeout",
        "timeout",
        "trace",
        "window",
        "window_bytes",
        "workers",
    )

    def __init__(
        self,
        *,
        function: Callable[..., Any],
        items: Any,
        star: bool,
        stream: bool,
        ordered: bool,
        executor: str,
        workers: int,
        window: int,
        chunk: int,
        timeout: float | None,
        task_timeout: float | None,
        on_progress: Callable[[int, int], object] | None,
        on_result: Callable[[ItemResult[Any]], object] | None,
        progress: bool,
        init: Callable[[], object] | None,
        max_tasks: int | None,
        start: Start,
        policies: _core.Policies,
        admission: Callable[[], Admission] | None,
        context: tuple[ContextVar[Any], ...],
        window_bytes: int,
        insights: bool,
        trace: bytes,
        on_event: Callable[[Event], object] | None,
    ) -> None:
        self.function = function
        self.items = items
        self.star = star
        self.stream = stream
        self.ordered = ordered
        self.executor: str = executor
        self.workers = workers
        self.window = window
        self.chunk = chunk
        self.timeout = timeout
        self.task_timeout = task_timeout
        self.on_progress = on_progress
        self.on_result = on_result
        self.progress = progress
        self.init = init
        self.max_tasks = max_tasks
        self.start: Start = start
        self.policies = policies
        self.admission = admission
        self.admitted: Admission | None = None
        self.context = context
        self.window_bytes = window_bytes
        self.insights = insights
        self.trace = trace
        self.on_event = on_event

    def let_go(self) -> None:
        """The run is over: its checkpoint, if it has one, is there for others."""
        if self.admitted is not None:
            self.admitted.close()


def _whole(name: str, value: object, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        index = getattr(type(value), "__index__", None)
        if isinstance(value, bool) or index is None:
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        value = int(index(value))
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        convert = getattr(type(value), "__float__", None)  # NumPy's numbers, Decimal, Fraction
        if isinstance(value, bool) or convert is None:
            raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
        value = float(convert(value))
    if not value > 0:  # NaN is not either
        raise ValueError(f"{name} must be more than 0 seconds, not {value}")
    return float(value)


def _callback(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {type(value).__name__}")


def _plan(
    function: Callable[..., Any],
    items: Iterable[Any],
    *,
    star: bool,
    stream: bool = False,
    ordered: bool = True,
    executor: Executor,
    workers: int | None,
    window_size: int | None,
    batch_size: int | None,
    chunksize: int | None,
    timeout: float | None,
    task_timeout: float | None,
    on_progress: Callable[[int, int], object] | None,
    on_result: Callable[[ItemResult[Any]], object] | None,
    progress: bool,
    sequential: bool,
    worker_init: Callable[..., object] | None,
    worker_init_args: Sequence[Any],
    max_tasks_per_worker: int | None,
    start: Start | None,
    rate_limit: Limiter | RateLimit | float | None,
    retry: Retry | None,
    max_errors: int | None,
    stop: StopToken | None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_version: Version | None = None,
    checkpoint_key: Callable[[Any], Key] | None = None,
    item_key: Callable[[Any], Key] | None = None,
    context: Iterable[ContextVar[Any]] = (),
    window_bytes: int | None = None,
    insights: bool = False,
    trace: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> _Plan:
    if not callable(function):
        raise TypeError(f"the function must be callable, not {type(function).__name__}")
    if isinstance(items, type) or not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
        raise TypeError(f"items must be iterable, not {type(items).__name__}")
    if executor not in ("thread", "process", "sequential"):
        raise ValueError(f"executor must be 'thread', 'process' or 'sequential', not {executor!r}")
    if start not in (None, "zygote", "fork"):
        raise ValueError(f"start must be 'zygote' or 'fork', not {start!r}")
    for name, callback in (
        ("on_progress", on_progress),
        ("on_result", on_result),
        ("on_event", on_event),
        ("worker_init", worker_init),
        ("checkpoint_key", checkpoint_key),
        ("item_key", item_key),
    ):
        _callback(name, callback)
    if checkpoint is None and not (checkpoint_version is None and checkpoint_key is None):
        raise ValueError("checkpoint_version and checkpoint_key need checkpoint=")
    if window_size is not None and batch_size is not None and window_size != batch_size:
        raise ValueError("window_size and batch_size are two names of one option: give one of them")
    window_size = window_size if window_size is not None else batch_size
    if worker_init_args and worker_init is None:
        raise ValueError("worker_init_args needs worker_init")
    if insights is not True and insights is not False:
        raise TypeError(f"insights must be True or False, not {insights!r}")
    here = sequential or executor == "sequential"
    in_order = here or (executor == "thread" and workers == 1)
    if executor != "process" and not here:
        # Said, not ignored: only a process can be ended from outside, and only processes are made anew.
        for name, option in (
            ("task_timeout", task_timeout),
            ("max_tasks_per_worker", max_tasks_per_worker),
            ("start", start),
        ):
            if option is not None:
                raise ValueError(f"{name} needs executor='process': a thread cannot be ended from outside")
    if workers is not None:
        workers = _whole("workers", workers)
        if workers > 4096:
            raise ValueError(f"workers must be at most 4096, not {workers}")
    elif not here:
        workers = _nesting.default_workers() if executor == "process" else min(32, _core.cpu_count() + 4)
    chunk = 1 if chunksize is None else _whole("chunksize", chunksize)
    policies = _policies(rate_limit, retry, max_errors, stop)
    if chunk > 1 and not (rate_limit is None and retry is None and max_errors is None):
        raise ValueError("chunksize makes items one piece of work: rate_limit, retry and max_errors need each alone")
    if chunk > 1 and not (checkpoint is None and item_key is None):
        raise ValueError("chunksize makes items one piece of work: checkpoint and item_key need each alone")
    init = worker_init
    if worker_init is not None and worker_init_args:
        import functools

        init = functools.partial(worker_init, *worker_init_args)
    admission = None
    if not (checkpoint is None and item_key is None):
        from ._checkpoint import prepare

        admission = prepare(function, checkpoint, checkpoint_version, item_key, checkpoint_key, later=stream)
    return _Plan(
        function=function,
        items=items,
        star=star,
        stream=stream,
        ordered=ordered,
        executor="sequential" if in_order else executor,
        workers=workers or 1,
        window=0 if window_size is None else _whole("window_size", window_size),
        chunk=chunk if executor == "process" and not here else 1,
        timeout=None if timeout is None else _seconds("timeout", timeout),
        task_timeout=None if task_timeout is None else _seconds("task_timeout", task_timeout),
        on_progress=on_progress,
        on_result=on_result,
        progress=bool(progress),
        init=init,
        max_tasks=None if max_tasks_per_worker is None else _whole("max_tasks_per_worker", max_tasks_per_worker),
        start=start or "zygote",
        policies=policies,
        admission=admission,
        context=_variables(context) if context else (),
        window_bytes=0 if window_bytes is None else _whole("window_bytes", window_bytes),
        insights=insights,
        trace=b"" if trace is None else _file_path("trace", trace),
        on_event=on_event,
    )


def _variables(context: Any) -> tuple[ContextVar[Any], ...]:
    from contextvars import ContextVar

    found: tuple[Any, ...] = tuple(context) if hasattr(context, "__iter__") else ()
    kinds: list[type[Any]] = [type(variable) for variable in found] or [type(context)]
    for kind in kinds:
        if not found or kind is not ContextVar:
            raise TypeError(f"context must be a list of ContextVar, such as [var], not {kind.__name__}")
    return found


def _file_path(name: str, value: object) -> bytes:
    import os

    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    path = os.fsencode(value)  # pyright: ignore[reportUnknownArgumentType]
    if not path or b"\0" in path:
        raise ValueError(f"{name} must be the path of a file, not {value!r}")
    _core.expect_writable(path)  # a stream begins later, and should not fail then
    return path


def _policies(
    rate_limit: Limiter | RateLimit | float | None,
    retry: Retry | None,
    max_errors: int | None,
    stop: StopToken | None,
) -> _core.Policies:
    if rate_limit is None and retry is None and max_errors is None and stop is None:
        return _NO_POLICIES
    from ._limiter import limiter_of
    from ._policies import Retry
    from ._stop import StopToken

    if retry is not None and not isinstance(retry, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"retry must be a Retry, not {type(retry).__name__}")
    if stop is not None and not isinstance(stop, StopToken):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"stop must be a StopToken, not {type(stop).__name__}")
    again = retry or Retry(attempts=1)
    return _core.Policies(
        attempts=again.attempts,
        backoff=again.backoff,
        max_delay=again.max_delay,
        max_server_wait=_ANY_WAIT if again.max_server_wait is None else again.max_server_wait,
        jitter=again.jitter,
        judge=None if retry is None else retry.judge,
        max_errors=0 if max_errors is None else _whole("max_errors", max_errors),
        limiter=limiter_of(rate_limit),
        stop=None if stop is None else stop.core,
    )


def _is_plain_list(items: Any) -> bool:
    return type(items) is list


def _input(items: Any) -> tuple[Any, int]:
    """What the engine reads items from, and their number if it is known, else -1."""
    if _is_plain_list(items):
        items = tuple(items)  # callbacks and tasks may change the list meanwhile
    try:
        length = len(items)
    except TypeError:
        length = -1
    return items, length


def _begin(plan: _Plan, bar: Bar | None, loop: Carrier | None = None) -> _core.Run:
    """The run of a plan, on its executor. loop: what carries it, if that is an event loop."""
    items, length = _input(plan.items)
    admission = plan.admitted = None if plan.admission is None else plan.admission()
    rescue = main_names = hands = None
    if plan.executor == "process":
        from . import _pickling

        hands = _processes_for(plan)  # what follows, the new workers' first process need not wait for
        rescue = _pickling.rescue
        main_names = _pickling.MainNames() if plan.start != "fork" else None
    # Loading it tells the engine how to make an ItemResult.
    from . import _result as _result  # pyright: ignore[reportPrivateUsage]
    from ._errors import from_trouble
    from ._remote import Refused, rebuild

    run = _core.Run(
        function=plan.function,
        items=items,
        star=plan.star,
        chunk=plan.chunk,
        stream=plan.stream,
        ordered=plan.ordered,
        window=plan.window,
        window_bytes=plan.window_bytes,
        timeout=-1.0 if plan.timeout is None else plan.timeout,
        on_result=plan.on_result,
        on_progress=plan.on_progress,
        on_bar=None if bar is None else bar.update,
        initializer=plan.init if plan.executor == "thread" else None,
        trouble=from_trouble,
        rebuild=rebuild,
        rescue=rescue,
        main_names=main_names,
        refusal=Refused,
        ask=None if loop is None else loop.ask,
        length_hint=length,
        insights=plan.insights,
        trace=plan.trace,
        on_event=None if plan.on_event is None else _teller(plan.on_event),
        on_word=_hear,
        policies=plan.policies,
        admit=None if admission is None else admission.admit,
        keep=admission.keep if admission is not None and admission.recording else None,
        waiting=admission.waiting if admission is not None and admission.recording else None,
        keys=None if admission is None else admission.keys,
    )
    if hands is not None:
        pool, function, state = hands
        run.on_processes(
            pool=pool,
            function=function,
            state=state,
            task_timeout=-1.0 if plan.task_timeout is None else plan.task_timeout,
        )
    elif loop is not None and plan.executor == "async":
        loop.place(run)
    elif plan.executor == "thread":
        from . import _threads  # tells the engine how to start threads

        del _threads
        run.on_threads(plan.workers)
    else:
        if plan.init is not None:
            plan.init()
        run.on_this_thread()
    return run


def _hear(kind: int, what: bytes, item: int, worker: int) -> None:
    """What a task in a worker process has printed or logged."""
    from ._hear import deliver

    deliver(kind, what, item, worker)


def _teller(on_event: Callable[[Event], object]) -> Callable[..., None]:
    from .events import teller

    return teller(on_event)


def _processes_for(plan: _Plan) -> tuple[_core.Pool, bytes, bytes]:
    """The plan's pool, its function as its workers will read it, and this process's state if they have another one."""
    from . import _pickling, _processes

    function = plan.function
    if plan.context:
        from . import _context

        function = _context.carry(function, plan.context)
    kind = (b"S" if plan.star else b"C") if plan.chunk > 1 else (b"*" if plan.star else b"c")
    if plan.start == "fork":
        pool, blob = _processes.forked_pool(plan.workers, plan.init, plan.max_tasks, function)
        return pool, kind + blob, b""
    init = None
    if plan.init is not None:
        init = _pickling.dumps((_call_pickled, (_pickling.dump_function(plan.init, name="worker_init"),)))
    # Writing a function that needs cloudpickle takes as long as starting an interpreter: both go on at once.
    light = _pickling.dump_lightly(function)
    pool, state = _processes.warm_pool(plan.workers, init, plan.max_tasks, cloud=light is None)
    return pool, kind + (light or _pickling.dump_by_cloud(function)), state


def _call_pickled(function: bytes) -> None:
    """In a worker: the initialiser, rebuilt only now that everything it needs is set up."""
    from ._pickling import loads

    loads(function)()


def _bar(plan: _Plan) -> Bar | None:
    if not plan.progress:
        return None
    from ._progress import make_bar

    return make_bar(_input_length(plan.items))


def _collect(plan: _Plan) -> ParallelResult[Any]:
    """A map: the run to its end, its outcomes in one object."""
    bar = _bar(plan)
    try:
        run = _begin(plan, bar)
        try:
            ended = run.finish()
        except BaseException:
            run.close()
            raise
        finally:
            _warn_of_trace(run)
    finally:
        if bar is not None:
            bar.close()
        plan.let_go()
    return _outcomes(plan, run, ended)


def _outcomes(plan: _Plan, run: _core.Run, ended: int) -> ParallelResult[Any]:
    """What a run that has ended brought."""
    from ._errors import Aborted, Cancelled, TimedOut
    from ._result import ParallelResult, RunStatus

    status = (RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.ABORTED, RunStatus.COMPLETED)[
        ended
    ]
    not_run: BaseException
    if status is RunStatus.TIMED_OUT:
        not_run = TimedOut(f"the item has no outcome: the run's timeout of {plan.timeout:g} s had passed")
    elif status is RunStatus.ABORTED:
        not_run = Aborted("the item was not run: too many had failed")
    else:
        not_run = Cancelled("the item was not run: its run was stopped")
    values, failures, durations, attempts = run.collect(not_run)
    insights = run.insights()
    run.close()
    if failures and len(failures) == len(values):
        _raise_if_nothing_started(failures)
    keys = None if plan.admitted is None else plan.admitted.keys
    return ParallelResult(
        values, failures, status=status, durations=durations, attempts=attempts, keys=keys, insights=insights
    )


def _warn_of_trace(run: _core.Run) -> None:
    trouble = run.trace_trouble()
    if trouble:
        import warnings

        warnings.warn(f"there is no trace of a run: {trouble}", RuntimeWarning, stacklevel=4)


def _raise_if_nothing_started(failures: dict[int, BaseException]) -> None:
    """No worker could start at all: one loud error says more than one for each item."""
    from ._errors import StartFailed

    if all(isinstance(error, StartFailed) for error in failures.values()):
        raise failures[min(failures)]


def _input_length(items: Any) -> int | None:
    try:
        return len(items)
    except TypeError:
        return None


def _stream(plan: _Plan) -> ParallelIterator[Any]:
    """A stream: begun at the first ``next``, ended when it is exhausted, closed or dropped."""
    from ._iterator import ParallelIterator

    begun: list[_core.Run] = []
    return ParallelIterator(_items_of(plan, begun), begun)


def _items_of(plan: _Plan, begun: list[_core.Run]) -> Iterator[ItemResult[Any]]:
    bar = _bar(plan)
    run = None
    try:
        run = _begin(plan, bar)
        begun.append(run)
        yield from run
    finally:
        if run is not None:
            run.close()
            _warn_of_trace(run)
        if bar is not None:
            bar.close()
        plan.let_go()


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
        task_timeout: processes only: seconds for one item (one chunk); its worker is stopped, the item fails with ``TaskTimeout``.
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
        window_bytes: the same as ``window_size`` by the bytes of what was read from an iterator; one item alone may exceed it. An item
            counts with its data (``nbytes``, the length of text and bytes), else with ``sys.getsizeof``, containers with what they hold.
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
    return _collect(
        _plan(
            fn,
            items,
            star=False,
            executor=executor,
            workers=workers,
            window_size=window_size,
            batch_size=batch_size,
            chunksize=chunksize,
            timeout=timeout,
            task_timeout=task_timeout,
            on_progress=on_progress,
            on_result=on_result,
            progress=progress,
            sequential=sequential,
            worker_init=worker_init,
            worker_init_args=worker_init_args,
            max_tasks_per_worker=max_tasks_per_worker,
            start=start,
            rate_limit=rate_limit,
            retry=retry,
            max_errors=max_errors,
            stop=stop,
            checkpoint=checkpoint,
            checkpoint_version=checkpoint_version,
            checkpoint_key=checkpoint_key,
            item_key=item_key,
            context=context,
            window_bytes=window_bytes,
            insights=insights,
            trace=trace,
            on_event=on_event,
        )
    )


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
    return _collect(
        _plan(
            fn,
            items,
            star=True,
            executor=executor,
            workers=workers,
            window_size=window_size,
            batch_size=batch_size,
            chunksize=chunksize,
            timeout=timeout,
            task_timeout=task_timeout,
            on_progress=on_progress,
            on_result=on_result,
            progress=progress,
            sequential=sequential,
            worker_init=worker_init,
            worker_init_args=worker_init_args,
            max_tasks_per_worker=max_tasks_per_worker,
            start=start,
            rate_limit=rate_limit,
            retry=retry,
            max_errors=max_errors,
            stop=stop,
            checkpoint=checkpoint,
            checkpoint_version=checkpoint_version,
            checkpoint_key=checkpoint_key,
            item_key=item_key,
            context=context,
            window_bytes=window_bytes,
            insights=insights,
            trace=trace,
            on_event=on_event,
        )
    )


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
    return _stream(
        _plan(
            fn,
            items,
            star=False,
            stream=True,
            ordered=bool(ordered),
            executor=executor,
            workers=workers,
            window_size=window_size,
            batch_size=batch_size,
            chunksize=chunksize,
            timeout=timeout,
            task_timeout=task_timeout,
            on_progress=on_progress,
            on_result=None,
            progress=progress,
            sequential=sequential,
            worker_init=worker_init,
            worker_init_args=worker_init_args,
            max_tasks_per_worker=max_tasks_per_worker,
            start=start,
            rate_limit=rate_limit,
            retry=retry,
            max_errors=max_errors,
            stop=stop,
            checkpoint=checkpoint,
            checkpoint_version=checkpoint_version,
            checkpoint_key=checkpoint_key,
            item_key=item_key,
            context=context,
            window_bytes=window_bytes,
            insights=insights,
            trace=trace,
            on_event=on_event,
        )
    )
