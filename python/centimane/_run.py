"""One run from its plan: begun on threads, processes or here, carried to its end, its outcomes handed out."""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._async_carrier import Carrier
    from ._iterator import ParallelIterator
    from ._plan import Plan
    from ._progress import Bar
    from ._result import ItemResult, ParallelResult
    from .events import Event


def _input(items: Any) -> tuple[Any, int]:
    """What the engine reads items from, and their number if it is known, else -1."""
    if type(items) is list:
        # Callbacks and tasks may change the list meanwhile.
        items = tuple(items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    try:
        length = len(items)
    except TypeError:
        length = -1
    return items, length


def begin(plan: Plan, bar: Bar | None, loop: Carrier | None = None) -> _core.Run:
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
        admit=None if admission is None else admission.admitting,
        keep=admission.keep if admission is not None and admission.recording else None,
        waiting=admission.waiting if admission is not None and admission.recording else None,
        keys=None if admission is None else admission.keys,
    )
    limit = -1.0 if plan.task_timeout is None else plan.task_timeout
    if hands is not None:
        pool, function, state, keep = hands
        run.on_processes(pool=pool, function=function, state=state, keep=keep, task_timeout=limit)
    elif loop is not None and plan.executor == "async":
        loop.place(run)
    elif plan.executor == "thread":
        from . import _threads  # tells the engine how to start threads

        del _threads
        run.on_threads(plan.workers, limit)
    else:
        if plan.init is not None:
            plan.init()
        run.on_this_thread(limit)
    return run


def _hear(kind: int, what: bytes, item: int, worker: int) -> None:
    """What a task in a worker process has printed or logged."""
    from ._hear import deliver

    deliver(kind, what, item, worker)


def _teller(on_event: Callable[[Event], object]) -> Callable[..., None]:
    from .events import teller

    return teller(on_event)


def _processes_for(plan: Plan) -> tuple[_core.Pool, bytes, bytes, bool]:
    """The plan's pool, its function as its workers will read it, this process's state if they have another one, and whether the
    function goes as its name.
    """
    from . import _pickling, _processes

    function = plan.function
    if plan.context:
        from . import _context

        function = _context.carry(function, plan.context)
    kind = (b"S" if plan.star else b"C") if plan.chunk > 1 else (b"*" if plan.star else b"c")
    if plan.start == "fork":
        pool, blob = _processes.forked_pool(plan.workers, plan.init, plan.max_tasks, function)
        return pool, kind + blob, b"", False
    init = None
    if plan.init is not None:
        init = _pickling.dump_call(plan.init, name="worker_init")
    # Writing a function that needs cloudpickle takes as long as starting an interpreter: both go on at once.
    light = _pickling.dump_lightly(function)
    pool, state = _processes.warm_pool(plan.workers, init, plan.max_tasks, cloud=light is None)
    return pool, kind + (light or _pickling.dump_by_cloud(function)), state, _pickling.is_name(light)


def bar_of(plan: Plan) -> Bar | None:
    if not plan.progress:
        return None
    from ._progress import make_bar

    return make_bar(_input_length(plan.items))


def collect(plan: Plan) -> ParallelResult[Any]:
    """A map: the run to its end, its outcomes in one object."""
    bar = bar_of(plan)
    try:
        run = begin(plan, bar)
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
    return outcomes(plan, run, ended)


def outcomes(plan: Plan, run: _core.Run, ended: int) -> ParallelResult[Any]:
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


def stream(plan: Plan) -> ParallelIterator[Any]:
    """A stream: begun at the first ``next``, ended when it is exhausted, closed or dropped."""
    from ._iterator import ParallelIterator

    begun: list[_core.Run] = []
    return ParallelIterator(_items_of(plan, begun), begun)


def _items_of(plan: Plan, begun: list[_core.Run]) -> Iterator[ItemResult[Any]]:
    bar = bar_of(plan)
    run = None
    try:
        run = begin(plan, bar)
        begun.append(run)
        yield from run
    finally:
        if run is not None:
            run.close()
            _warn_of_trace(run)
        if bar is not None:
            bar.close()
        plan.let_go()
