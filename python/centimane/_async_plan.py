"""What one call asks of an event loop, checked: a ``Plan``, and what will carry it."""

from __future__ import annotations

from . import _check
from ._async_carrier import Carrier
from ._plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

CONCURRENCY = 4
"""Coroutines at once, if nothing is said: a number that a service does not mind."""


def _is_coroutine_function(function: object) -> bool:
    from inspect import iscoroutinefunction

    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__dict__.get("__call__"))


def carry(given: Mapping[str, Any], *, star: bool = False, stream: bool = False) -> Carrier:
    """The run of a call, not begun. In the caller's task.

    Args:
        given: the arguments of a public function by their names.
        star: as of ``Plan``.
        stream: as of ``Plan``.

    Raises:
        TypeError, ValueError, OSError, CheckpointError: a bad argument.
    """
    executor, items, on_cancel, stop = given["executor"], given["items"], given["on_cancel"], given["stop"]
    if executor not in (None, "async", "thread", "process"):
        raise ValueError(f"executor must be 'async', 'thread' or 'process', not {executor!r}")
    here = executor in (None, "async")
    if not here and _is_coroutine_function(given["fn"]):
        raise TypeError(f"a coroutine function runs on the event loop: leave out executor={executor!r}")
    if on_cancel not in (None, "kill", "release"):
        raise ValueError(f"on_cancel must be 'kill' or 'release', not {on_cancel!r}")
    if on_cancel is not None and executor != "process":
        raise ValueError("on_cancel needs executor='process': coroutines are cancelled, and a thread cannot be ended")
    workers, concurrency, task_timeout = given["workers"], given["concurrency"], given["task_timeout"]
    if concurrency is not None:
        if workers is not None and concurrency != workers:
            raise ValueError("concurrency and workers are two names of one option: give one of them")
        workers = _check.whole("concurrency", concurrency)
    if here:
        for name in ("chunksize", "worker_init", "max_tasks_per_worker", "start"):
            if given[name] is not None:
                raise ValueError(f"{name} needs executor='process' or executor='thread': coroutines have no workers")
        if workers is None:
            workers = CONCURRENCY
    source: AsyncIterator[Any] | None = None
    if hasattr(items, "__aiter__") and not isinstance(items, type):
        source, items = items.__aiter__(), ()
    # Coroutines are many hands of one thread: to the engine they differ from threads in where an attempt is begun.
    plan = Plan(
        {
            **given,
            "items": items,
            "executor": "process" if executor == "process" else "thread",
            "workers": workers,
            "task_timeout": None if here else task_timeout,
        },
        star=star,
        stream=stream,
    )
    plan.executor = executor or "async"  # also for one thread: the loop's own must not be held up
    if here and task_timeout is not None:
        plan.task_timeout = _check.seconds("task_timeout", task_timeout)
    if source is not None:
        plan.items = None
    return Carrier(plan, source, stoppable=stop is not None, kill=on_cancel != "release")
